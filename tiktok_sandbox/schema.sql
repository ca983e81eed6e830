CREATE TABLE IF NOT EXISTS user (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, email TEXT NOT NULL, created_at INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS advertiser (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, currency TEXT NOT NULL, country TEXT NOT NULL, timezone TEXT NOT NULL,
    display_timezone TEXT NOT NULL, status TEXT NOT NULL, created_at INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS access (
    user_id INTEGER NOT NULL, advertiser_id INTEGER NOT NULL, is_dropped INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (user_id, advertiser_id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS auth_code (
    digest TEXT PRIMARY KEY, user_id INTEGER NOT NULL, scope TEXT NOT NULL, issued_at REAL NOT NULL, used_at REAL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS token (
    digest TEXT PRIMARY KEY, user_id INTEGER NOT NULL, scope TEXT NOT NULL, issued_at REAL NOT NULL, revoked_at REAL
) WITHOUT ROWID;
-- base_size: people of audiences that did not come through this API. Deleted rows stay, so that no id is used twice.
CREATE TABLE IF NOT EXISTS audience (
    id INTEGER PRIMARY KEY, advertiser_id INTEGER NOT NULL, name TEXT NOT NULL, type TEXT NOT NULL, calculate_type TEXT,
    base_size INTEGER NOT NULL DEFAULT 0, lookalike_spec TEXT, created_at REAL NOT NULL, deleted_at REAL,
    cover_num INTEGER NOT NULL DEFAULT 0, covered_at REAL NOT NULL DEFAULT 0
);
CREATE VIEW IF NOT EXISTS live_audience AS
    SELECT id, advertiser_id, name, type, calculate_type, base_size, lookalike_spec, created_at
    FROM audience WHERE deleted_at IS NULL;
CREATE INDEX IF NOT EXISTS audience_of_advertiser ON audience (advertiser_id) WHERE deleted_at IS NULL;
-- One row per accepted mapping request and audience; applied in order, they give the members.
CREATE TABLE IF NOT EXISTS mapping (
    seq INTEGER PRIMARY KEY, audience_id INTEGER NOT NULL, action TEXT NOT NULL, schemas TEXT NOT NULL, n INTEGER NOT NULL,
    people INTEGER NOT NULL, at REAL NOT NULL, block BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS mapping_of_audience ON mapping (audience_id, seq);
