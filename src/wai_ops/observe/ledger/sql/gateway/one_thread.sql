-- Two threads leave row groups half full, which closing the ledger would then write once more. Rows
-- stream through: more memory would be filled with what is written already, and save no time.
set threads = 1;
set write_buffer_row_group_count = 1;
set memory_limit = '500MB'
