-- Every file that was imported: its content, its name, and the etag of an object.
select sha256, path, etag from ingest_file
