-- No files, no network, no extensions, and no way back.
set enable_external_access = false;
set lock_configuration = true;
