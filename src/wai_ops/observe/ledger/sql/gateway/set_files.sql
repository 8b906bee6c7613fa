-- The files that `log_line` reads.
set variable log_files = $files
