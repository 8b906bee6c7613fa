-- How many documents of a kind are below a parent.
select count(*) from document where kind = :kind and parent = :parent
