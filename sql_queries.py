"""Every statement of the warehouse, in the order it runs. Data only: importing this file does nothing.

Each statement is complete Amazon Redshift SQL, as it could be pasted into a query editor. Its first
line, `-- name: purpose`, names it in the log, in errors and in Redshift's own query history. Values
stand as %(name)s and are bound by psycopg2.

Redshift does not enforce keys, though its planner trusts them: the checks at the end prove them
before a load commits. No rule below chooses a row by when it arrived: where rows compete, their
content decides, so the same files always give the same tables.
"""

# ------------------------------------------------------------------------------------------- tables
# Lengths of VARCHAR are bytes. Text columns have room: Redshift refuses what is longer.

etl_lock_create = """-- create etl_lock: whoever holds its lock is the only load running; it stays empty
CREATE TABLE IF NOT EXISTS etl_lock (
    held BOOLEAN
)
DISTSTYLE ALL
"""

staging_events_table_create = """-- create staging_events: the log as it came, a column per JSON key
CREATE TABLE staging_events (
    artist        VARCHAR(1024),
    auth          VARCHAR(32),
    firstname     VARCHAR(256),
    gender        VARCHAR(16),
    iteminsession INTEGER        NOT NULL,
    lastname      VARCHAR(256),
    length        NUMERIC(12, 5),
    level         VARCHAR(16)    NOT NULL,
    location      VARCHAR(1024),
    method        VARCHAR(16),
    page          VARCHAR(64)    NOT NULL,
    registration  NUMERIC(18, 0),
    sessionid     BIGINT         NOT NULL,
    song          VARCHAR(1024),
    status        INTEGER,
    ts            BIGINT         NOT NULL,
    useragent     VARCHAR(2048),
    userid        BIGINT,
    loaded_at     TIMESTAMP      NOT NULL DEFAULT SYSDATE
)
DISTSTYLE EVEN          -- read whole, joined on nothing twice
SORTKEY (loaded_at)     -- a load looks at its own rows, which lie together
"""

staging_songs_table_create = """-- create staging_songs: the song metadata as it came, a column per JSON key
CREATE TABLE staging_songs (
    artist_id        VARCHAR(64)    NOT NULL,
    artist_latitude  NUMERIC(9, 5),
    artist_location  VARCHAR(2048),
    artist_longitude NUMERIC(9, 5),
    artist_name      VARCHAR(1024)  NOT NULL,
    duration         NUMERIC(12, 5) NOT NULL,
    num_songs        INTEGER,
    song_id          VARCHAR(64)    NOT NULL,
    title            VARCHAR(1024)  NOT NULL,
    year             INTEGER,
    loaded_at        TIMESTAMP      NOT NULL DEFAULT SYSDATE
)
DISTSTYLE EVEN          -- read whole, joined on nothing twice
SORTKEY (loaded_at)     -- a load looks at its own rows, which lie together
"""

user_table_create = """-- create users: one row per user id seen on any page
CREATE TABLE users (
    user_id    BIGINT       NOT NULL,
    first_name VARCHAR(256),
    last_name  VARCHAR(256),
    gender     VARCHAR(16),
    level      VARCHAR(16)  NOT NULL,
    PRIMARY KEY (user_id)
)
DISTSTYLE ALL           -- small, joined by most reports: a copy on every node
SORTKEY (user_id)
"""

artist_table_create = """-- create artists: one row per artist id of the catalogue
CREATE TABLE artists (
    artist_id VARCHAR(64)   NOT NULL,
    name      VARCHAR(1024) NOT NULL,
    location  VARCHAR(2048),
    latitude  NUMERIC(9, 5),
    longitude NUMERIC(9, 5),
    PRIMARY KEY (artist_id)
)
DISTSTYLE ALL           -- small, joined by most reports: a copy on every node
SORTKEY (artist_id)
"""

song_table_create = """-- create songs: one row per song id of the catalogue
CREATE TABLE songs (
    song_id   VARCHAR(64)    NOT NULL,
    title     VARCHAR(1024)  NOT NULL,
    artist_id VARCHAR(64)    NOT NULL,
    year      INTEGER,
    duration  NUMERIC(12, 5) NOT NULL,
    PRIMARY KEY (song_id),
    FOREIGN KEY (artist_id) REFERENCES artists (artist_id)
)
DISTSTYLE ALL           -- small, joined by most reports: a copy on every node
SORTKEY (song_id)
"""

time_table_create = """-- create time: one row per instant at which a song was started
CREATE TABLE time (
    start_time TIMESTAMP NOT NULL,
    hour       SMALLINT  NOT NULL,
    day        SMALLINT  NOT NULL,
    week       SMALLINT  NOT NULL,
    month      SMALLINT  NOT NULL,
    year       SMALLINT  NOT NULL,
    weekday    SMALLINT  NOT NULL,
    PRIMARY KEY (start_time)
)
DISTKEY (start_time)    -- as many rows as the fact: lies beside it, joined without moving rows
SORTKEY (start_time)    -- reports ask for a span of time
"""

songplay_table_create = """-- create songplays: the fact, one row per song that somebody played
CREATE TABLE songplays (
    songplay_id VARCHAR(32)    NOT NULL,
    start_time  TIMESTAMP      NOT NULL,
    user_id     BIGINT,
    level       VARCHAR(16)    NOT NULL,
    song_id     VARCHAR(64),
    artist_id   VARCHAR(64),
    session_id  BIGINT         NOT NULL,
    location    VARCHAR(1024),
    user_agent  VARCHAR(2048),
    song_title  VARCHAR(1024),
    artist_name VARCHAR(1024),
    length      NUMERIC(12, 5),
    PRIMARY KEY (songplay_id),
    FOREIGN KEY (start_time) REFERENCES time (start_time),
    FOREIGN KEY (user_id) REFERENCES users (user_id),
    FOREIGN KEY (song_id) REFERENCES songs (song_id),
    FOREIGN KEY (artist_id) REFERENCES artists (artist_id)
)
DISTKEY (start_time)    -- spreads evenly; most song_id are NULL and would fill one slice
SORTKEY (start_time)    -- reports ask for a span of time
"""

# -------------------------------------------------------------------------------------------- views
# What staging means, said once: one row per play, one row per song.

staging_plays_view_create = """-- create staging_plays: one row per NextSong event, known by user, session, item and ts
CREATE VIEW staging_plays AS
SELECT
    MD5(
        COALESCE(CAST(userid AS VARCHAR), '') || '|' || CAST(sessionid AS VARCHAR) || '|'
        || CAST(iteminsession AS VARCHAR) || '|' || CAST(ts AS VARCHAR)
    ) AS songplay_id,
    TIMESTAMP 'epoch' + ts * INTERVAL '0.001 second' AS start_time,
    userid AS user_id,
    level,
    sessionid AS session_id,
    location,
    TRIM(BOTH '"' FROM useragent) AS user_agent,
    song AS song_title,
    artist AS artist_name,
    length
FROM (
    SELECT
        userid, sessionid, iteminsession, ts, level, location, useragent, song, artist, length,
        ROW_NUMBER() OVER (
            PARTITION BY userid, sessionid, iteminsession, ts
            ORDER BY song, artist, length, level, location, useragent
        ) AS nth_version
    FROM staging_events
    WHERE page = 'NextSong'
) AS versions
WHERE nth_version = 1
"""

staging_catalogue_view_create = """-- create staging_catalogue: one row per song id, whole from one file
CREATE VIEW staging_catalogue AS
SELECT
    song_id,
    title,
    artist_id,
    artist_name,
    NULLIF(TRIM(artist_location), '') AS artist_location,
    artist_latitude,
    artist_longitude,
    NULLIF(year, 0) AS year,
    duration
FROM (
    SELECT
        song_id, title, artist_id, artist_name, artist_location, artist_latitude, artist_longitude,
        year, duration,
        ROW_NUMBER() OVER (
            PARTITION BY song_id
            ORDER BY title, artist_id, artist_name, duration, year,
                artist_location, artist_latitude, artist_longitude
        ) AS nth_version
    FROM staging_songs
) AS versions
WHERE nth_version = 1
"""

# --------------------------------------------------------------------------------------------- drop
# In this order nothing that is dropped is still referred to, so CASCADE is never needed: it would
# take other people's views along.

staging_plays_view_drop = """-- drop staging_plays
DROP VIEW IF EXISTS staging_plays
"""
staging_catalogue_view_drop = """-- drop staging_catalogue
DROP VIEW IF EXISTS staging_catalogue
"""
staging_events_table_drop = """-- drop staging_events
DROP TABLE IF EXISTS staging_events
"""
staging_songs_table_drop = """-- drop staging_songs
DROP TABLE IF EXISTS staging_songs
"""
songplay_table_drop = """-- drop songplays
DROP TABLE IF EXISTS songplays
"""
user_table_drop = """-- drop users
DROP TABLE IF EXISTS users
"""
song_table_drop = """-- drop songs
DROP TABLE IF EXISTS songs
"""
artist_table_drop = """-- drop artists
DROP TABLE IF EXISTS artists
"""
time_table_drop = """-- drop time
DROP TABLE IF EXISTS time
"""

# --------------------------------------------------------------------------------------------- lock

etl_lock_take = """-- lock etl_lock: no other load or reset runs until this one ends
LOCK etl_lock
"""

# -------------------------------------------------------------------------------------------- empty
# DELETE and not TRUNCATE, which commits on Redshift: readers keep the old rows until COMMIT.

staging_events_table_empty = """-- empty staging_events
DELETE FROM staging_events
"""
staging_songs_table_empty = """-- empty staging_songs
DELETE FROM staging_songs
"""
songplay_table_empty = """-- empty songplays
DELETE FROM songplays
"""
user_table_empty = """-- empty users
DELETE FROM users
"""
song_table_empty = """-- empty songs
DELETE FROM songs
"""
artist_table_empty = """-- empty artists
DELETE FROM artists
"""
time_table_empty = """-- empty time
DELETE FROM time
"""

# --------------------------------------------------------------------------------------------- copy
# ROUNDEC: COPY reads a JSON number as a double and would cut it to the scale, which turns half of
# the lengths into the next lower value. TRIMBLANKS: Redshift ignores trailing blanks when it
# compares, other engines do not. MAXERROR is the number of rejected rows at which COPY fails.

staging_events_copy = """-- copy staging_events: every log file under LOG_DATA
COPY staging_events (
    artist, auth, firstname, gender, iteminsession, lastname, length, level, location, method, page,
    registration, sessionid, song, status, ts, useragent, userid
)
FROM %(log_data)s
IAM_ROLE %(iam_role)s
REGION %(region)s
FORMAT AS JSON %(log_jsonpath)s
ROUNDEC
TRIMBLANKS
MAXERROR %(maxerror)s
COMPUPDATE OFF
STATUPDATE OFF
"""

staging_songs_copy = """-- copy staging_songs: every song file under SONG_DATA
COPY staging_songs (
    artist_id, artist_latitude, artist_location, artist_longitude, artist_name, duration, num_songs,
    song_id, title, year
)
FROM %(song_data)s
IAM_ROLE %(iam_role)s
REGION %(region)s
FORMAT AS JSON 'auto ignorecase'
ROUNDEC
TRIMBLANKS
MAXERROR %(maxerror)s
COMPUPDATE OFF
STATUPDATE OFF
"""

last_copy = """-- last copy: id and rows of the COPY just made in this session
SELECT pg_last_copy_id(), pg_last_copy_count()
"""

# ------------------------------------------------------------------------------------------- insert

user_table_insert = """-- insert users: as the latest event of each user knows them
INSERT INTO users (user_id, first_name, last_name, gender, level)
WITH events AS (
    SELECT
        userid, firstname, lastname, gender, level,
        ROW_NUMBER() OVER (
            PARTITION BY userid
            ORDER BY ts DESC, iteminsession DESC, sessionid DESC, level, firstname, lastname, gender
        ) AS nth_latest
    FROM staging_events
    WHERE userid IS NOT NULL
)
SELECT userid, firstname, lastname, gender, level
FROM events
WHERE nth_latest = 1
"""

artist_table_insert = """-- insert artists: one song's row each, with a location and coordinates if any has them
INSERT INTO artists (artist_id, name, location, latitude, longitude)
WITH catalogue AS (
    SELECT
        artist_id, artist_name, artist_location, artist_latitude, artist_longitude,
        ROW_NUMBER() OVER (
            PARTITION BY artist_id
            ORDER BY
                CASE WHEN artist_location IS NULL THEN 1 ELSE 0 END,
                CASE WHEN artist_latitude IS NULL OR artist_longitude IS NULL THEN 1 ELSE 0 END,
                COALESCE(year, 0) DESC,
                song_id
        ) AS nth_best
    FROM staging_catalogue
)
SELECT artist_id, artist_name, artist_location, artist_latitude, artist_longitude
FROM catalogue
WHERE nth_best = 1
"""

song_table_insert = """-- insert songs: the catalogue; an unknown year (0) is NULL
INSERT INTO songs (song_id, title, artist_id, year, duration)
SELECT song_id, title, artist_id, year, duration
FROM staging_catalogue
"""

songplay_table_insert = """-- insert songplays: every play, with the song of the same title and artist nearest in length
INSERT INTO songplays (
    songplay_id, start_time, user_id, level, song_id, artist_id, session_id, location, user_agent,
    song_title, artist_name, length
)
WITH candidates AS (
    SELECT
        plays.songplay_id, plays.start_time, plays.user_id, plays.level,
        catalogue.song_id, catalogue.artist_id,
        plays.session_id, plays.location, plays.user_agent,
        plays.song_title, plays.artist_name, plays.length,
        ROW_NUMBER() OVER (
            PARTITION BY plays.songplay_id
            ORDER BY ABS(catalogue.duration - plays.length), catalogue.song_id
        ) AS nth_closest
    FROM staging_plays AS plays
    LEFT JOIN staging_catalogue AS catalogue
        ON catalogue.title = plays.song_title
        AND catalogue.artist_name = plays.artist_name
)
SELECT
    songplay_id, start_time, user_id, level, song_id, artist_id, session_id, location, user_agent,
    song_title, artist_name, length
FROM candidates
WHERE nth_closest = 1
"""

time_table_insert = """-- insert time: the instants of songplays; week is ISO, weekday 0 is Sunday
INSERT INTO time (start_time, hour, day, week, month, year, weekday)
SELECT DISTINCT
    start_time,
    EXTRACT(hour FROM start_time),
    EXTRACT(day FROM start_time),
    EXTRACT(week FROM start_time),
    EXTRACT(month FROM start_time),
    EXTRACT(year FROM start_time),
    EXTRACT(dow FROM start_time)
FROM songplays
"""

# ------------------------------------------------------------------------------------------ analyze
# A table filled within the transaction is unknown to the planner until it is analyzed.

staging_events_analyze = """-- analyze staging_events
ANALYZE staging_events
"""
staging_songs_analyze = """-- analyze staging_songs
ANALYZE staging_songs
"""
songplay_analyze = """-- analyze songplays
ANALYZE songplays
"""
user_analyze = """-- analyze users
ANALYZE users
"""
song_analyze = """-- analyze songs
ANALYZE songs
"""
artist_analyze = """-- analyze artists
ANALYZE artists
"""
time_analyze = """-- analyze time
ANALYZE time
"""

# ------------------------------------------------------------------------------------------- checks
# Each selects the rows that offend, up to three of them; none is a pass.

staging_events_complete = """-- staging_events_complete: staging_events holds as many rows as COPY reported
SELECT COUNT(*) AS rows_found, %(staging_events_rows)s AS rows_copied
FROM staging_events
WHERE loaded_at = SYSDATE
HAVING COUNT(*) <> %(staging_events_rows)s
"""

staging_songs_complete = """-- staging_songs_complete: staging_songs holds as many rows as COPY reported
SELECT COUNT(*) AS rows_found, %(staging_songs_rows)s AS rows_copied
FROM staging_songs
WHERE loaded_at = SYSDATE
HAVING COUNT(*) <> %(staging_songs_rows)s
"""

staging_events_required = """-- staging_events_required: page and level of an event are not blank
SELECT ts, sessionid, iteminsession, page, level
FROM staging_events
WHERE page = '' OR level = ''
ORDER BY ts, sessionid, iteminsession
LIMIT 3
"""

staging_events_ts_plausible = """-- staging_events_ts_plausible: ts is milliseconds since 1970, from 2000 to 2100
SELECT ts, sessionid, iteminsession, page
FROM staging_events
WHERE ts NOT BETWEEN 946684800000 AND 4102444800000
ORDER BY ts, sessionid, iteminsession
LIMIT 3
"""

staging_songs_required = """-- staging_songs_required: ids, title and artist name of a song are not blank
SELECT song_id, title, artist_id, artist_name
FROM staging_songs
WHERE song_id = '' OR title = '' OR artist_id = '' OR artist_name = ''
ORDER BY song_id, title, artist_id, artist_name
LIMIT 3
"""

staging_events_filled = """-- staging_events_filled: a column is empty in every event, as after a wrong LOG_JSONPATH
SELECT
    COUNT(artist) AS artist, COUNT(auth) AS auth, COUNT(firstname) AS firstname,
    COUNT(gender) AS gender, COUNT(lastname) AS lastname, COUNT(length) AS length,
    COUNT(location) AS location, COUNT(method) AS method, COUNT(registration) AS registration,
    COUNT(song) AS song, COUNT(status) AS status, COUNT(useragent) AS useragent,
    COUNT(userid) AS userid
FROM staging_events
HAVING COUNT(*) > 0
    AND LEAST(
        COUNT(artist), COUNT(auth), COUNT(firstname), COUNT(gender), COUNT(lastname), COUNT(length),
        COUNT(location), COUNT(method), COUNT(registration), COUNT(song), COUNT(status),
        COUNT(useragent), COUNT(userid)
    ) = 0
"""

staging_songs_filled = """-- staging_songs_filled: a column is empty in every song
SELECT
    COUNT(artist_latitude) AS artist_latitude, COUNT(artist_location) AS artist_location,
    COUNT(artist_longitude) AS artist_longitude, COUNT(num_songs) AS num_songs,
    COUNT(year) AS year
FROM staging_songs
HAVING COUNT(*) > 0
    AND LEAST(
        COUNT(artist_latitude), COUNT(artist_location), COUNT(artist_longitude), COUNT(num_songs),
        COUNT(year)
    ) = 0
"""

songplays_unique = """-- songplays_unique: a songplay_id stands for one play
SELECT songplay_id, COUNT(*) AS times
FROM songplays
GROUP BY songplay_id
HAVING COUNT(*) > 1
ORDER BY songplay_id
LIMIT 3
"""

users_unique = """-- users_unique: a user_id stands for one user
SELECT user_id, COUNT(*) AS times
FROM users
GROUP BY user_id
HAVING COUNT(*) > 1
ORDER BY user_id
LIMIT 3
"""

songs_unique = """-- songs_unique: a song_id stands for one song
SELECT song_id, COUNT(*) AS times
FROM songs
GROUP BY song_id
HAVING COUNT(*) > 1
ORDER BY song_id
LIMIT 3
"""

artists_unique = """-- artists_unique: an artist_id stands for one artist
SELECT artist_id, COUNT(*) AS times
FROM artists
GROUP BY artist_id
HAVING COUNT(*) > 1
ORDER BY artist_id
LIMIT 3
"""

time_unique = """-- time_unique: a start_time stands once in time
SELECT start_time, COUNT(*) AS times
FROM time
GROUP BY start_time
HAVING COUNT(*) > 1
ORDER BY start_time
LIMIT 3
"""

songplays_complete = """-- songplays_complete: every NextSong event is in songplays
SELECT
    MD5(
        COALESCE(CAST(userid AS VARCHAR), '') || '|' || CAST(sessionid AS VARCHAR) || '|'
        || CAST(iteminsession AS VARCHAR) || '|' || CAST(ts AS VARCHAR)
    ) AS songplay_id
FROM staging_events
WHERE page = 'NextSong'
EXCEPT
SELECT songplay_id
FROM songplays
ORDER BY songplay_id
LIMIT 3
"""

songplays_real = """-- songplays_real: every row of songplays is a NextSong event
SELECT songplay_id
FROM songplays
EXCEPT
SELECT
    MD5(
        COALESCE(CAST(userid AS VARCHAR), '') || '|' || CAST(sessionid AS VARCHAR) || '|'
        || CAST(iteminsession AS VARCHAR) || '|' || CAST(ts AS VARCHAR)
    ) AS songplay_id
FROM staging_events
WHERE page = 'NextSong'
ORDER BY songplay_id
LIMIT 3
"""

songplays_users_known = """-- songplays_users_known: every user_id of songplays is in users
SELECT DISTINCT plays.user_id
FROM songplays AS plays
LEFT JOIN users ON users.user_id = plays.user_id
WHERE plays.user_id IS NOT NULL AND users.user_id IS NULL
ORDER BY plays.user_id
LIMIT 3
"""

songplays_songs_known = """-- songplays_songs_known: every song_id of songplays is in songs
SELECT DISTINCT plays.song_id
FROM songplays AS plays
LEFT JOIN songs ON songs.song_id = plays.song_id
WHERE plays.song_id IS NOT NULL AND songs.song_id IS NULL
ORDER BY plays.song_id
LIMIT 3
"""

songplays_artists_known = """-- songplays_artists_known: every artist_id of songplays is in artists
SELECT DISTINCT plays.artist_id
FROM songplays AS plays
LEFT JOIN artists ON artists.artist_id = plays.artist_id
WHERE plays.artist_id IS NOT NULL AND artists.artist_id IS NULL
ORDER BY plays.artist_id
LIMIT 3
"""

songplays_times_known = """-- songplays_times_known: every start_time of songplays is in time
SELECT DISTINCT plays.start_time
FROM songplays AS plays
LEFT JOIN time ON time.start_time = plays.start_time
WHERE time.start_time IS NULL
ORDER BY plays.start_time
LIMIT 3
"""

songs_artists_known = """-- songs_artists_known: every artist_id of songs is in artists
SELECT DISTINCT songs.artist_id
FROM songs
LEFT JOIN artists ON artists.artist_id = songs.artist_id
WHERE artists.artist_id IS NULL
ORDER BY songs.artist_id
LIMIT 3
"""

# ------------------------------------------------------------------------------------------- report

songplays_matched = """-- songplays matched: plays, and plays whose song is in the catalogue
SELECT COUNT(*), COUNT(song_id)
FROM songplays
"""

load_history = """-- load history: files and rejected rows of this load's COPYs
SELECT query_id, source_file_count, error_count
FROM sys_load_history
WHERE query_id IN %(copies)s
"""

load_errors = """-- load errors: the rows that the last COPY of this session rejected, with their values
SELECT
    TRIM(detail.file_name) AS file_name,
    detail.line_number,
    TRIM(detail.column_name) AS column_name,
    TRIM(detail.column_type) AS column_type,
    TRIM(detail.column_length) AS column_length,
    detail.error_code,
    TRIM(detail.error_message) AS error_message,
    TRIM(errors.raw_field_value) AS value
FROM sys_load_error_detail AS detail
LEFT JOIN stl_load_errors AS errors
    ON errors.query = detail.query_id
    AND TRIM(errors.filename) = TRIM(detail.file_name)
    AND errors.line_number = detail.line_number
WHERE detail.query_id = (
    SELECT MAX(query_id) FROM sys_load_error_detail WHERE session_id = pg_backend_pid()
)
ORDER BY file_name, detail.line_number
LIMIT 10
"""

existing_columns = """-- existing columns: the tables and views of the schema, as they are
SELECT table_name, column_name
FROM information_schema.columns
WHERE table_schema = CURRENT_SCHEMA()
ORDER BY table_name, ordinal_position
"""

lock_holder = """-- lock holder: who holds etl_lock, and since when
SELECT pid, TRIM(txn_owner) AS txn_owner, txn_start
FROM svv_transactions
WHERE relation = CAST('etl_lock' AS regclass) AND granted
ORDER BY txn_start
LIMIT 1
"""

# ---------------------------------------------------------------------------------------- run order

create_table_queries = (
    staging_events_table_create,
    staging_songs_table_create,
    user_table_create,
    artist_table_create,
    song_table_create,
    time_table_create,
    songplay_table_create,
    staging_plays_view_create,
    staging_catalogue_view_create,
)
drop_table_queries = (
    staging_plays_view_drop,
    staging_catalogue_view_drop,
    songplay_table_drop,
    time_table_drop,
    song_table_drop,
    artist_table_drop,
    user_table_drop,
    staging_songs_table_drop,
    staging_events_table_drop,
)
empty_table_queries = (
    songplay_table_empty,
    time_table_empty,
    song_table_empty,
    artist_table_empty,
    user_table_empty,
    staging_songs_table_empty,
    staging_events_table_empty,
)
copy_table_queries = (staging_events_copy, staging_songs_copy)
analyze_staging_queries = (staging_events_analyze, staging_songs_analyze)
insert_table_queries = (
    user_table_insert,
    artist_table_insert,
    song_table_insert,
    songplay_table_insert,
    time_table_insert,
)
analyze_star_queries = (
    user_analyze,
    artist_analyze,
    song_analyze,
    songplay_analyze,
    time_analyze,
)

check_staging_queries = (
    staging_events_complete,
    staging_songs_complete,
    staging_events_required,
    staging_events_ts_plausible,
    staging_songs_required,
)
warn_staging_queries = (staging_events_filled, staging_songs_filled)
check_star_queries = (
    songplays_unique,
    users_unique,
    songs_unique,
    artists_unique,
    time_unique,
    songplays_complete,
    songplays_real,
    songplays_users_known,
    songplays_songs_known,
    songplays_artists_known,
    songplays_times_known,
    songs_artists_known,
)
