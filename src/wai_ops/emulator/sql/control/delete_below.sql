-- Everything that belongs to a parent, or to something below it, goes.
delete from document
where parent = :parent or substr(parent, 1, length(:parent) + 1) = :parent || '/'
