-- Note that a file was imported.
insert into ingest_file by name
select
    $sha256 as sha256,
    $path as path,
    $format as format,
    $size_bytes as size_bytes,
    $row_count as row_count,
    $inserted_count as inserted_count,
    $duplicate_count as duplicate_count,
    $quarantined_count as quarantined_count,
    $etag as etag,
    $at_utc as imported_at
