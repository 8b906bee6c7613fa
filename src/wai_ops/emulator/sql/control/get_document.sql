-- One document.
select * from document where kind = :kind and parent = :parent and id = :id
