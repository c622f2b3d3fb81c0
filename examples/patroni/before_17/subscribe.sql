-- On the reader, once Patroni has made the slot.
CREATE SUBSCRIPTION reader CONNECTION :'primary' PUBLICATION tokenauth
    WITH (slot_name = reader, create_slot = false, synchronous_commit = on);
