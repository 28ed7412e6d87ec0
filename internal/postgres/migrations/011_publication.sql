-- What the publication was when a mark was begun: the identities and xmins of its rows in the catalog. Another one by now, even
-- if it looks the same, may have kept versions from the stream. The default matches none: the history is read once more.
ALTER TABLE publisher_mark ADD COLUMN publication text NOT NULL DEFAULT '';

COMMENT ON COLUMN publisher_mark.snapshot_id IS
    'every version up to here has been published or set aside, but for those whose transactions committed later';
