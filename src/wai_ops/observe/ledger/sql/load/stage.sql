-- Point `staged` at the rows of these files that the ledger does not hold yet.
set variable archive_files = $files
