-- See stage.sql: the mark.
set variable loaded_through = $mark
