-- What lies further back than any dataset reaches.
delete from fact where at < :before
