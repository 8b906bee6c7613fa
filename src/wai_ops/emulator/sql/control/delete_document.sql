-- One document goes.
delete from document where kind = :kind and parent = :parent and id = :id
