-- The FOCUS rows as CSV: what a spreadsheet would take for a formula is made plain text.
copy (
    select * replace (
        csv_text("BillingAccountId") as "BillingAccountId",
        csv_text("BillingAccountName") as "BillingAccountName",
        csv_text("ChargeDescription") as "ChargeDescription",
        csv_text("InvoiceIssuerName") as "InvoiceIssuerName",
        csv_text("ProviderName") as "ProviderName",
        csv_text("PublisherName") as "PublisherName",
        csv_text("SkuId") as "SkuId",
        csv_text("SkuPriceId") as "SkuPriceId",
        csv_text("SubAccountId") as "SubAccountId",
        csv_text("SubAccountName") as "SubAccountName",
        csv_text("x_PriceAsOf") as "x_PriceAsOf",
        csv_text("x_PriceSource") as "x_PriceSource",
        csv_text("x_Workflow") as "x_Workflow"
    )
    from focus_1_2
) to $file (format csv, header true)
