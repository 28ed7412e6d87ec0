-- What an operator decided about a mail that got no further by itself. One that is sent on an operator's word has no
-- message id, unless it becomes known later.
ALTER TABLE email_delivery
    ADD COLUMN resolution  text CHECK (resolution IN ('sent', 'failed', 'resend')), -- the last one
    ADD COLUMN resolved_at timestamptz,
    ADD CONSTRAINT email_delivery_resolved_check CHECK ((resolution IS NULL) = (resolved_at IS NULL)),
    DROP CONSTRAINT email_delivery_sent_check,
    ADD CONSTRAINT email_delivery_sent_check CHECK (CASE status
        WHEN 'sent' THEN message_id IS NOT NULL OR resolution IS NOT DISTINCT FROM 'sent'
        ELSE message_id IS NULL END);

-- The mails an operator may have to look at: those that failed as well.
CREATE INDEX email_delivery_open ON email_delivery (status)
    WHERE status IN ('pending', 'sending', 'unknown', 'failed');
DROP INDEX email_delivery_unsettled;
