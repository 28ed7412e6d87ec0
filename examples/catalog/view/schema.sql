-- How far each subscription is: the position of the last message that was applied.
CREATE TABLE IF NOT EXISTS positions (
    subscription text PRIMARY KEY, -- the category
    position bigint NOT NULL -- in the category's stream; -1 before the first
);

-- The state of each video that has an event.
CREATE TABLE IF NOT EXISTS videos (
    id text PRIMARY KEY,
    position bigint NOT NULL, -- of its first event: the order of the list
    events bigint NOT NULL, -- how many are in the row
    status text NOT NULL,
    title text NOT NULL,
    file text NOT NULL, -- that can be played; empty before it is transcoded
    duration_ms bigint NOT NULL,
    width bigint NOT NULL,
    height bigint NOT NULL,
    transcript text NOT NULL,
    reason text NOT NULL, -- of a failure, and its detail
    detail text NOT NULL,
    uploaded_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    trace_id text NOT NULL
);
CREATE INDEX IF NOT EXISTS videos_position ON videos (position);

-- How often each video was viewed, known or not.
CREATE TABLE IF NOT EXISTS viewings (
    video_id text PRIMARY KEY,
    views bigint NOT NULL
);
