-- On the reader.
CREATE SUBSCRIPTION reader CONNECTION :'primary' PUBLICATION tokenauth
    WITH (failover = true, synchronous_commit = on);
