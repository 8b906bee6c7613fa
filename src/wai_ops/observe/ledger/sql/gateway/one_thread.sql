-- Two threads leave row groups half full, which closing the ledger would then write once more.
set threads = 1;
set write_buffer_row_group_count = 1
