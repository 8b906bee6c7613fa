-- The files that the next statement reads.
set variable kept_files = $files
