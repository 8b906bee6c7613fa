-- All documents of a kind below a parent, in the order in which they were made.
select * from document where kind = :kind and parent = :parent order by seq
