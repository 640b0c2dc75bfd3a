"""The SQL of the warehouse: tables, lock, copy, touch, delete and insert, checks, ledger, views.

This is data: importing it does nothing. Each statement is complete Amazon Redshift SQL, as it could be
pasted into a query editor. Values stand as %(name)s and are bound by psycopg2. The first line,
`-- name: purpose`, names a statement in the log, in errors and in Redshift's own query history. A
statement of one line is its own name and stands in the run order, which ends the file. What the
toolkit asks for itself stands in warehouse/, beside the function that asks.

Redshift does not enforce keys, though its planner trusts them: the checks prove them before a load
commits. No rule below chooses a row by when it arrived: where rows compete, their content decides, so
the same files always give the same tables.
"""

# ------------------------------------------------------------------------------------------- tables
# Lengths of VARCHAR are bytes. Text columns have room: Redshift refuses what is longer.

loaded_files_table_create = """-- create loaded_files: the ledger, one row per file whose rows are in staging
CREATE TABLE loaded_files (
    url       VARCHAR(2048) NOT NULL,
    etag      VARCHAR(128)  NOT NULL,
    bytes     BIGINT        NOT NULL,
    loaded_at TIMESTAMP     NOT NULL DEFAULT SYSDATE
)
DISTKEY (url)           -- versions of a file lie together; no PRIMARY KEY, which the planner would
SORTKEY (loaded_at)     -- trust in the very check that proves it
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
DISTKEY (userid)        -- a user's events lie together, for the latest one and for repeated ones
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
DISTKEY (song_id)       -- the versions of a song lie together
SORTKEY (loaded_at)     -- a load looks at its own rows, which lie together
"""

staging_catalogue_table_create = """-- create staging_catalogue: one row per song id, whole from one file
CREATE TABLE staging_catalogue (
    song_id          VARCHAR(64)    NOT NULL,
    title            VARCHAR(1024)  NOT NULL,
    artist_id        VARCHAR(64)    NOT NULL,
    artist_name      VARCHAR(1024)  NOT NULL,
    artist_location  VARCHAR(2048),
    artist_latitude  NUMERIC(9, 5),
    artist_longitude NUMERIC(9, 5),
    year             INTEGER,
    duration         NUMERIC(12, 5) NOT NULL,
    PRIMARY KEY (song_id)
)
DISTSTYLE ALL                   -- joined with plays from every node
SORTKEY (title, artist_name)    -- plays are matched by these
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

# --------------------------------------------------------------------------------------------- lock

etl_lock_create = """-- create etl_lock: whoever holds its lock is the only load or reset running
CREATE TABLE IF NOT EXISTS etl_lock (
    loads BIGINT NOT NULL
)
DISTSTYLE ALL
"""

etl_lock_fill = """-- fill etl_lock: its one row counts the loads
INSERT INTO etl_lock (loads)
SELECT 0
WHERE NOT EXISTS (SELECT 1 FROM etl_lock)
"""

etl_lock_take = """-- lock etl_lock: no other load or reset runs until this one ends
LOCK etl_lock
"""

# Who had to wait for the lock may see the tables as they were before the other load committed. Then
# this fails, as two changes of one row at once do on both engines, and the load begins again.
etl_lock_count = """-- count etl_lock: fails if another load committed since this transaction began
UPDATE etl_lock SET loads = loads + 1
"""

# --------------------------------------------------------------------------------------------- copy
# ROUNDEC: COPY reads a JSON number as a double and would cut it to the scale, which turns half of
# the lengths into the next lower value. TRIMBLANKS: Redshift ignores trailing blanks when it
# compares, other engines do not. MAXERROR is the number of rejected rows at which COPY fails.
# loaded_at is not in the lists: it takes its default, the time at which the transaction began.

staging_events_copy = """-- copy staging_events: the log files of a manifest
COPY staging_events (
    artist, auth, firstname, gender, iteminsession, lastname, length, level, location, method, page,
    registration, sessionid, song, status, ts, useragent, userid
)
FROM %(staging_events_manifest)s
IAM_ROLE %(iam_role)s
REGION %(region)s
MANIFEST
FORMAT AS JSON %(log_jsonpath)s
ROUNDEC
TRIMBLANKS
MAXERROR %(maxerror)s
COMPUPDATE OFF
STATUPDATE OFF
"""

staging_songs_copy = """-- copy staging_songs: the song files of a manifest
COPY staging_songs (
    artist_id, artist_latitude, artist_location, artist_longitude, artist_name, duration, num_songs,
    song_id, title, year
)
FROM %(staging_songs_manifest)s
IAM_ROLE %(iam_role)s
REGION %(region)s
MANIFEST
FORMAT AS JSON 'auto ignorecase'
ROUNDEC
TRIMBLANKS
MAXERROR %(maxerror)s
COMPUPDATE OFF
STATUPDATE OFF
"""

staging_events_copy_prefix = """-- copy staging_events: every log file under LOG_DATA
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

staging_songs_copy_prefix = """-- copy staging_songs: every song file under SONG_DATA
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

# etl.py --check tries these. NOLOAD: COPY reads and converts all of a file, and loads nothing.
staging_events_try = """-- try staging_events: read one log file as its load would, and load nothing
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
NOLOAD
"""

staging_songs_try = """-- try staging_songs: read one song file as its load would, and load nothing
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
NOLOAD
"""

# -------------------------------------------------------------------------------------------- touch
# What this load touches: its own rows are those of loaded_at = SYSDATE, and what else depends on
# them is made anew. A full load has just loaded every row, so it touches everything.

touched_users_create = """-- touch users: users of the new events
CREATE TEMP TABLE touched_users AS
SELECT DISTINCT userid AS user_id
FROM staging_events
WHERE loaded_at = SYSDATE
    AND userid IS NOT NULL
"""

touched_songs_create = """-- touch songs: songs of the new files
CREATE TEMP TABLE touched_songs AS
SELECT DISTINCT song_id
FROM staging_songs
WHERE loaded_at = SYSDATE
"""

touched_artists_create = """-- touch artists: artists that any version of a touched song names
CREATE TEMP TABLE touched_artists AS
SELECT DISTINCT versions.artist_id
FROM touched_songs
JOIN staging_songs AS versions ON versions.song_id = touched_songs.song_id
"""

touched_plays_create = """-- touch plays: the new NextSong events, known by user, session, item and ts
CREATE TEMP TABLE touched_plays AS
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
    RTRIM(TRIM(BOTH '"' FROM useragent)) AS user_agent,
    song AS song_title,
    artist AS artist_name,
    length,
    TRUE AS is_new
FROM staging_events
WHERE loaded_at = SYSDATE
    AND page = 'NextSong'
"""

touched_plays_insert = """-- touch earlier plays: the same ones, and those that a version of a touched song fits
INSERT INTO touched_plays (
    songplay_id, start_time, user_id, level, session_id, location, user_agent, song_title,
    artist_name, length, is_new
)
WITH titles AS (
    SELECT DISTINCT versions.title, versions.artist_name
    FROM touched_songs
    JOIN staging_songs AS versions ON versions.song_id = touched_songs.song_id
),
earlier AS (
    SELECT songplay_id
    FROM touched_plays
    UNION
    SELECT plays.songplay_id
    FROM songplays AS plays
    JOIN titles
        ON titles.title = plays.song_title
        AND titles.artist_name = plays.artist_name
)
SELECT
    plays.songplay_id, plays.start_time, plays.user_id, plays.level, plays.session_id,
    plays.location, plays.user_agent, plays.song_title, plays.artist_name, plays.length, FALSE
FROM earlier
JOIN songplays AS plays ON plays.songplay_id = earlier.songplay_id
"""

# -------------------------------------------------------------------------------- delete and insert
# What is touched is deleted and inserted again: an upsert that both engines have. Table by table here;
# a load deletes from all tables, and then inserts.

staging_catalogue_delete = """-- delete staging_catalogue: the touched songs
DELETE FROM staging_catalogue USING touched_songs
WHERE staging_catalogue.song_id = touched_songs.song_id
"""

staging_catalogue_insert = """-- insert staging_catalogue: of the versions of a song the first by content
INSERT INTO staging_catalogue (
    song_id, title, artist_id, artist_name, artist_location, artist_latitude, artist_longitude, year,
    duration
)
WITH versions AS (
    SELECT
        songs.song_id, songs.title, songs.artist_id, songs.artist_name, songs.artist_location,
        songs.artist_latitude, songs.artist_longitude, songs.year, songs.duration,
        ROW_NUMBER() OVER (
            PARTITION BY songs.song_id
            ORDER BY songs.title, songs.artist_id, songs.artist_name, songs.duration, songs.year,
                songs.artist_location, songs.artist_latitude, songs.artist_longitude
        ) AS nth_version
    FROM touched_songs
    JOIN staging_songs AS songs ON songs.song_id = touched_songs.song_id
)
SELECT
    song_id, title, artist_id, artist_name, NULLIF(artist_location, ''), artist_latitude,
    artist_longitude, NULLIF(year, 0), duration
FROM versions
WHERE nth_version = 1
"""

user_table_delete = """-- delete users: the touched ones
DELETE FROM users USING touched_users
WHERE users.user_id = touched_users.user_id
"""

user_table_insert = """-- insert users: as the latest event of each user knows them
INSERT INTO users (user_id, first_name, last_name, gender, level)
WITH events AS (
    SELECT
        events.userid, events.firstname, events.lastname, events.gender, events.level,
        ROW_NUMBER() OVER (
            PARTITION BY events.userid
            ORDER BY events.ts DESC, events.iteminsession DESC, events.sessionid DESC,
                events.level, events.firstname, events.lastname, events.gender
        ) AS nth_latest
    FROM touched_users
    JOIN staging_events AS events ON events.userid = touched_users.user_id
)
SELECT userid, firstname, lastname, gender, level
FROM events
WHERE nth_latest = 1
"""

artist_table_delete = """-- delete artists: the touched ones
DELETE FROM artists USING touched_artists
WHERE artists.artist_id = touched_artists.artist_id
"""

artist_table_insert = """-- insert artists: one song's row each, with a location and coordinates if any has them
INSERT INTO artists (artist_id, name, location, latitude, longitude)
WITH catalogue AS (
    SELECT
        songs.artist_id, songs.artist_name, songs.artist_location, songs.artist_latitude,
        songs.artist_longitude,
        ROW_NUMBER() OVER (
            PARTITION BY songs.artist_id
            ORDER BY
                CASE WHEN songs.artist_location IS NULL THEN 1 ELSE 0 END,
                CASE
                    WHEN songs.artist_latitude IS NULL OR songs.artist_longitude IS NULL THEN 1
                    ELSE 0
                END,
                COALESCE(songs.year, 0) DESC,
                songs.song_id
        ) AS nth_best
    FROM touched_artists
    JOIN staging_catalogue AS songs ON songs.artist_id = touched_artists.artist_id
)
SELECT artist_id, artist_name, artist_location, artist_latitude, artist_longitude
FROM catalogue
WHERE nth_best = 1
"""

song_table_delete = """-- delete songs: the touched ones
DELETE FROM songs USING touched_songs
WHERE songs.song_id = touched_songs.song_id
"""

song_table_insert = """-- insert songs: the catalogue; an unknown year (0) is NULL
INSERT INTO songs (song_id, title, artist_id, year, duration)
SELECT catalogue.song_id, catalogue.title, catalogue.artist_id, catalogue.year, catalogue.duration
FROM touched_songs
JOIN staging_catalogue AS catalogue ON catalogue.song_id = touched_songs.song_id
"""

songplay_table_delete = """-- delete songplays: the touched ones
DELETE FROM songplays USING touched_plays
WHERE songplays.songplay_id = touched_plays.songplay_id
"""

songplay_table_insert = """-- insert songplays: each play once, with the song of its title and artist nearest in length
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
            ORDER BY
                -- of several versions of a play the first by content, then its closest song
                plays.song_title, plays.artist_name, plays.length, plays.level, plays.location,
                plays.user_agent,
                ABS(catalogue.duration - plays.length), catalogue.song_id
        ) AS nth_choice
    FROM touched_plays AS plays
    LEFT JOIN staging_catalogue AS catalogue
        ON catalogue.title = plays.song_title
        AND catalogue.artist_name = plays.artist_name
)
SELECT
    songplay_id, start_time, user_id, level, song_id, artist_id, session_id, location, user_agent,
    song_title, artist_name, length
FROM candidates
WHERE nth_choice = 1
"""

time_table_delete = """-- delete time: the instants of the touched plays
DELETE FROM time USING touched_plays
WHERE time.start_time = touched_plays.start_time
"""

time_table_insert = """-- insert time: the instants of the plays; week is ISO, weekday 0 is Sunday
INSERT INTO time (start_time, hour, day, week, month, year, weekday)
SELECT
    start_time,
    EXTRACT(hour FROM start_time),
    EXTRACT(day FROM start_time),
    EXTRACT(week FROM start_time),
    EXTRACT(month FROM start_time),
    EXTRACT(year FROM start_time),
    EXTRACT(dow FROM start_time)
FROM (SELECT DISTINCT start_time FROM touched_plays) AS instants
ORDER BY start_time  -- as the table is sorted
"""

songplays_matched = """-- songplays matched: plays made anew, and those of them whose song is in the catalogue
SELECT COUNT(*), COUNT(songplays.song_id)
FROM (SELECT DISTINCT songplay_id FROM touched_plays) AS touched
JOIN songplays ON songplays.songplay_id = touched.songplay_id
"""

# ------------------------------------------------------------------------------------------- checks
# Each selects the rows that offend; none is a pass. They look at what the load touched. They have no
# LIMIT: where nothing is expected, a plan that hopes to find the first rows soon is the slowest.

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
WHERE loaded_at = SYSDATE
    AND (page = '' OR level = '')
"""

staging_events_ts_plausible = """-- staging_events_ts_plausible: ts is milliseconds since 1970, from 2000 to 2100
SELECT ts, sessionid, iteminsession, page
FROM staging_events
WHERE loaded_at = SYSDATE
    AND ts NOT BETWEEN 946684800000 AND 4102444800000
"""

staging_songs_required = """-- staging_songs_required: ids, title and artist name of a song are not blank
SELECT song_id, title, artist_id, artist_name
FROM staging_songs
WHERE loaded_at = SYSDATE
    AND (song_id = '' OR title = '' OR artist_id = '' OR artist_name = '')
"""

staging_events_filled = """-- staging_events_filled: no column is empty in every event, as after a wrong LOG_JSONPATH
SELECT
    COUNT(artist) AS artist, COUNT(auth) AS auth, COUNT(firstname) AS firstname,
    COUNT(gender) AS gender, COUNT(lastname) AS lastname, COUNT(length) AS length,
    COUNT(location) AS location, COUNT(method) AS method, COUNT(registration) AS registration,
    COUNT(song) AS song, COUNT(status) AS status, COUNT(useragent) AS useragent,
    COUNT(userid) AS userid
FROM staging_events
WHERE loaded_at = SYSDATE
HAVING COUNT(*) >= 100  -- a few rows may well lack something
    AND LEAST(
        COUNT(artist), COUNT(auth), COUNT(firstname), COUNT(gender), COUNT(lastname), COUNT(length),
        COUNT(location), COUNT(method), COUNT(registration), COUNT(song), COUNT(status),
        COUNT(useragent), COUNT(userid)
    ) = 0
"""

staging_songs_filled = """-- staging_songs_filled: no column is empty in every song
SELECT
    COUNT(artist_latitude) AS artist_latitude, COUNT(artist_location) AS artist_location,
    COUNT(artist_longitude) AS artist_longitude, COUNT(num_songs) AS num_songs,
    COUNT(year) AS year
FROM staging_songs
WHERE loaded_at = SYSDATE
HAVING COUNT(*) >= 100  -- a few rows may well lack something
    AND LEAST(
        COUNT(artist_latitude), COUNT(artist_location), COUNT(artist_longitude), COUNT(num_songs),
        COUNT(year)
    ) = 0
"""

loaded_files_unique = """-- loaded_files_unique: a file is loaded in one version
SELECT new_files.url, COUNT(*) AS times
FROM loaded_files AS new_files
JOIN loaded_files AS files ON files.url = new_files.url
WHERE new_files.loaded_at = SYSDATE
GROUP BY new_files.url
HAVING COUNT(*) > 1
"""

staging_catalogue_unique = """-- staging_catalogue_unique: a song_id stands for one song of the catalogue
SELECT touched_songs.song_id, COUNT(catalogue.song_id) AS times
FROM touched_songs
LEFT JOIN staging_catalogue AS catalogue ON catalogue.song_id = touched_songs.song_id
GROUP BY touched_songs.song_id
HAVING COUNT(catalogue.song_id) <> 1
"""

users_unique = """-- users_unique: a user_id stands for one user
SELECT touched_users.user_id, COUNT(users.user_id) AS times
FROM touched_users
LEFT JOIN users ON users.user_id = touched_users.user_id
GROUP BY touched_users.user_id
HAVING COUNT(users.user_id) <> 1
"""

songs_unique = """-- songs_unique: a song_id stands for one song
SELECT touched_songs.song_id, COUNT(songs.song_id) AS times
FROM touched_songs
LEFT JOIN songs ON songs.song_id = touched_songs.song_id
GROUP BY touched_songs.song_id
HAVING COUNT(songs.song_id) <> 1
"""

artists_unique = """-- artists_unique: an artist_id stands for one artist
SELECT touched_artists.artist_id, COUNT(*) AS times
FROM touched_artists
JOIN artists ON artists.artist_id = touched_artists.artist_id
GROUP BY touched_artists.artist_id
HAVING COUNT(*) > 1
"""

songplays_unique = """-- songplays_unique: a songplay_id stands for one play
SELECT touched.songplay_id, COUNT(songplays.songplay_id) AS times
FROM (SELECT DISTINCT songplay_id FROM touched_plays) AS touched
LEFT JOIN songplays ON songplays.songplay_id = touched.songplay_id
GROUP BY touched.songplay_id
HAVING COUNT(songplays.songplay_id) <> 1
"""

time_unique = """-- time_unique: the start_time of a play stands once in time
SELECT plays.start_time, COUNT(time.start_time) AS times
FROM (SELECT DISTINCT start_time FROM touched_plays) AS plays
LEFT JOIN time ON time.start_time = plays.start_time
GROUP BY plays.start_time
HAVING COUNT(time.start_time) <> 1
"""

songplays_complete = """-- songplays_complete: every new NextSong event is in songplays
SELECT DISTINCT events.userid, events.sessionid, events.iteminsession, events.ts
FROM staging_events AS events
LEFT JOIN songplays
    ON songplays.songplay_id = MD5(
        COALESCE(CAST(events.userid AS VARCHAR), '') || '|' || CAST(events.sessionid AS VARCHAR)
        || '|' || CAST(events.iteminsession AS VARCHAR) || '|' || CAST(events.ts AS VARCHAR)
    )
WHERE events.loaded_at = SYSDATE
    AND events.page = 'NextSong'
    AND songplays.songplay_id IS NULL
"""

songplays_real = """-- songplays_real: every new play is a NextSong event
SELECT plays.songplay_id, plays.user_id, plays.session_id, plays.start_time
FROM touched_plays AS plays
LEFT JOIN staging_events AS events
    ON events.loaded_at = SYSDATE
    AND events.page = 'NextSong'
    AND events.sessionid = plays.session_id
    AND TIMESTAMP 'epoch' + events.ts * INTERVAL '0.001 second' = plays.start_time
    AND (events.userid = plays.user_id OR (events.userid IS NULL AND plays.user_id IS NULL))
    AND plays.songplay_id = MD5(
        COALESCE(CAST(events.userid AS VARCHAR), '') || '|' || CAST(events.sessionid AS VARCHAR)
        || '|' || CAST(events.iteminsession AS VARCHAR) || '|' || CAST(events.ts AS VARCHAR)
    )
WHERE plays.is_new
    AND events.ts IS NULL
"""

songplays_users_known = """-- songplays_users_known: every user_id of songplays is in users
SELECT DISTINCT plays.user_id
FROM touched_plays AS plays
LEFT JOIN users ON users.user_id = plays.user_id
WHERE plays.user_id IS NOT NULL
    AND users.user_id IS NULL
"""

songplays_songs_known = """-- songplays_songs_known: song_id and artist_id of a play are those of one song of songs
SELECT DISTINCT plays.song_id, plays.artist_id
FROM touched_plays
JOIN songplays AS plays ON plays.songplay_id = touched_plays.songplay_id
LEFT JOIN songs ON songs.song_id = plays.song_id AND songs.artist_id = plays.artist_id
WHERE (plays.song_id IS NOT NULL OR plays.artist_id IS NOT NULL)
    AND songs.song_id IS NULL
"""

songs_artists_known = """-- songs_artists_known: every artist_id of songs is in artists
SELECT DISTINCT songs.artist_id
FROM touched_songs
JOIN songs ON songs.song_id = touched_songs.song_id
LEFT JOIN artists ON artists.artist_id = songs.artist_id
WHERE artists.artist_id IS NULL
"""

# ------------------------------------------------------------------------------------------- ledger

loaded_files_copy = """-- copy loaded_files: the files of this load
COPY loaded_files (url, etag, bytes)
FROM %(loaded_files)s
IAM_ROLE %(iam_role)s
REGION %(region)s
FORMAT AS JSON 'auto'
COMPUPDATE OFF
STATUPDATE OFF
"""

loaded_files_forget = """-- forget loaded_files: earlier versions of the files of this load
DELETE FROM loaded_files
WHERE loaded_at <> SYSDATE
    AND url IN (SELECT url FROM loaded_files WHERE loaded_at = SYSDATE)
"""

loaded_files_try = """-- try loaded_files: read what is written to MANIFESTS, and load nothing
COPY loaded_files (url, etag, bytes)
FROM %(loaded_files)s
IAM_ROLE %(iam_role)s
REGION %(region)s
FORMAT AS JSON 'auto'
COMPUPDATE OFF
STATUPDATE OFF
NOLOAD
"""

# -------------------------------------------------------------------------------------------- views
# What analysts ask first, each answered by one SELECT * FROM it. Every play counts once in every
# view, so all have the same sum of plays: plays of nobody, of no title or from nowhere have a row
# of their own, under NULL.
#
# plays              songs started, matched to the catalogue or not
# catalogue_plays    those of them that match a song of the catalogue
# listeners          users with a play; who is not logged in is none
# listening_seconds  lengths of the songs played: the log does not tell who skipped the rest
#
# Days, hours and weekdays are UTC. No view says ORDER BY, which would sort for nothing wherever a
# query sorts, groups or joins it again. A view that is replaced keeps its grants, and other people's
# views on it.

top_songs_view_create = """-- create top_songs: plays by title and artist, as the log wrote them
CREATE OR REPLACE VIEW top_songs AS
SELECT
    titles.song_title,
    titles.artist_name,
    titles.plays,
    titles.catalogue_plays,
    titles.listeners,
    titles.song_id,     -- in the catalogue; the lowest, if recordings of several lengths match
    songs.artist_id     -- of that song
FROM (
    SELECT
        song_title,
        artist_name,
        COUNT(*) AS plays,
        COUNT(song_id) AS catalogue_plays,
        COUNT(DISTINCT user_id) AS listeners,
        MIN(song_id) AS song_id
    FROM songplays
    GROUP BY song_title, artist_name
) AS titles
LEFT JOIN songs ON songs.song_id = titles.song_id
"""

top_artists_view_create = """-- create top_artists: plays by artist, as the log wrote the name
CREATE OR REPLACE VIEW top_artists AS
SELECT
    artist_name,
    COUNT(*) AS plays,
    COUNT(artist_id) AS catalogue_plays,
    COUNT(DISTINCT user_id) AS listeners,
    COUNT(DISTINCT song_title) AS song_titles,  -- how many different ones were played
    MIN(artist_id) AS artist_id  -- in the catalogue; the lowest, if it has several of that name
FROM songplays
GROUP BY artist_name
"""

plays_by_hour_view_create = """-- create plays_by_hour: plays in each hour of the day, UTC
CREATE OR REPLACE VIEW plays_by_hour AS
SELECT
    CAST(EXTRACT(hour FROM start_time) AS INTEGER) AS hour,  -- 0 to 23
    COUNT(*) AS plays,
    COUNT(DISTINCT user_id) AS listeners
FROM songplays
GROUP BY 1
"""

plays_by_weekday_view_create = """-- create plays_by_weekday: plays on each day of the week, UTC
CREATE OR REPLACE VIEW plays_by_weekday AS
SELECT
    weekday,            -- 0 is Sunday, as in the table time
    CAST(CASE weekday
        WHEN 0 THEN 'Sunday' WHEN 1 THEN 'Monday' WHEN 2 THEN 'Tuesday' WHEN 3 THEN 'Wednesday'
        WHEN 4 THEN 'Thursday' WHEN 5 THEN 'Friday' ELSE 'Saturday'
    END AS VARCHAR(9)) AS weekday_name,
    plays,
    listeners,
    days                -- with a play: a month has five of some weekdays and four of others
FROM (
    SELECT
        CAST(EXTRACT(dow FROM start_time) AS INTEGER) AS weekday,
        COUNT(*) AS plays,
        COUNT(DISTINCT user_id) AS listeners,
        COUNT(DISTINCT CAST(start_time AS DATE)) AS days
    FROM songplays
    GROUP BY 1
) AS weekdays
"""

plays_by_weekday_hour_view_create = """-- create plays_by_weekday_hour: plays by hour of the week, UTC
CREATE OR REPLACE VIEW plays_by_weekday_hour AS
SELECT
    CAST(EXTRACT(dow FROM start_time) AS INTEGER) AS weekday,  -- 0 is Sunday
    CAST(EXTRACT(hour FROM start_time) AS INTEGER) AS hour,    -- 0 to 23
    COUNT(*) AS plays
FROM songplays
GROUP BY 1, 2
"""

plays_by_day_view_create = """-- create plays_by_day: plays on each day, UTC, free and paid
CREATE OR REPLACE VIEW plays_by_day AS
SELECT
    CAST(start_time AS DATE) AS day,
    COUNT(*) AS plays,
    COUNT(CASE WHEN level = 'free' THEN 1 END) AS free_plays,  -- by the level at that moment
    COUNT(CASE WHEN level = 'paid' THEN 1 END) AS paid_plays,
    COUNT(DISTINCT user_id) AS listeners
FROM songplays
GROUP BY 1
"""

plays_by_level_view_create = """-- create plays_by_level: free against paid, at the moment of the play
CREATE OR REPLACE VIEW plays_by_level AS
SELECT
    level,
    COUNT(*) AS plays,
    COUNT(DISTINCT user_id) AS listeners,  -- who changed level counts in both
    COALESCE(SUM(length), 0) AS listening_seconds
FROM songplays
GROUP BY level
"""

listeners_by_day_view_create = """-- create listeners_by_day: new and returning listeners on each day, UTC
CREATE OR REPLACE VIEW listeners_by_day AS
SELECT
    daily.day,
    CAST(SUM(daily.plays) AS BIGINT) AS plays,
    COUNT(daily.user_id) AS listeners,
    COUNT(CASE WHEN daily.day = firsts.day THEN 1 END) AS new_listeners,  -- it is their first day
    COUNT(CASE WHEN daily.day > firsts.day THEN 1 END) AS returning_listeners
FROM (
    SELECT CAST(start_time AS DATE) AS day, user_id, COUNT(*) AS plays
    FROM songplays
    GROUP BY 1, 2
) AS daily
LEFT JOIN (
    SELECT user_id, MIN(CAST(start_time AS DATE)) AS day
    FROM songplays
    GROUP BY user_id
) AS firsts ON firsts.user_id = daily.user_id
GROUP BY daily.day
"""

listening_by_user_view_create = """-- create listening_by_user: how much each user listens
CREATE OR REPLACE VIEW listening_by_user AS
SELECT
    totals.user_id,
    users.first_name,
    users.last_name,
    users.level,        -- as the latest event knows it
    totals.plays,
    totals.sessions,
    totals.listening_seconds
FROM (
    SELECT
        user_id,
        COUNT(*) AS plays,
        COUNT(DISTINCT session_id) AS sessions,
        COALESCE(SUM(length), 0) AS listening_seconds
    FROM songplays
    GROUP BY user_id
) AS totals
LEFT JOIN users ON users.user_id = totals.user_id
"""

listening_by_session_view_create = """-- create listening_by_session: how much each session listens
CREATE OR REPLACE VIEW listening_by_session AS
SELECT
    session_id,         -- with the user: two users may have the same number
    user_id,
    MIN(start_time) AS first_play,  -- UTC
    MAX(start_time) AS last_play,   -- when it began, not when it ended
    COUNT(*) AS plays,
    COALESCE(SUM(length), 0) AS listening_seconds
FROM songplays
GROUP BY session_id, user_id
"""

plays_by_location_view_create = """-- create plays_by_location: where people listen
CREATE OR REPLACE VIEW plays_by_location AS
SELECT
    location,
    COUNT(*) AS plays,
    COUNT(DISTINCT user_id) AS listeners
FROM songplays
GROUP BY location
"""

# Browsers name one another in their user agents, so the order of the questions matters: Edge and
# Opera say Chrome, Chrome says Safari.
plays_by_browser_view_create = """-- create plays_by_browser: which browsers people listen with
CREATE OR REPLACE VIEW plays_by_browser AS
SELECT
    CAST(browser AS VARCHAR(32)) AS browser,  -- unknown where the log has no user agent
    CAST(SUM(plays) AS BIGINT) AS plays,
    COUNT(DISTINCT user_id) AS listeners
FROM (
    SELECT
        CASE
            WHEN COALESCE(user_agent, '') = '' THEN 'unknown'
            WHEN STRPOS(user_agent, 'Edge/') > 0 OR STRPOS(user_agent, 'Edg/') > 0 THEN 'Edge'
            WHEN STRPOS(user_agent, 'OPR/') > 0 OR STRPOS(user_agent, 'Opera') > 0 THEN 'Opera'
            WHEN STRPOS(user_agent, 'Firefox/') > 0 OR STRPOS(user_agent, 'FxiOS/') > 0
                THEN 'Firefox'
            WHEN STRPOS(user_agent, 'Chrome/') > 0 OR STRPOS(user_agent, 'CriOS/') > 0
                THEN 'Chrome'
            WHEN STRPOS(user_agent, 'MSIE ') > 0 OR STRPOS(user_agent, 'Trident/') > 0
                THEN 'Internet Explorer'
            WHEN STRPOS(user_agent, 'Safari/') > 0 THEN 'Safari'
            ELSE 'other'
        END AS browser,
        user_id,
        plays
    FROM (  -- so that an agent is looked at once for each user, and not for each play
        SELECT user_agent, user_id, COUNT(*) AS plays
        FROM songplays
        GROUP BY user_agent, user_id
    ) AS agents
) AS families
GROUP BY families.browser
"""

catalogue_match_view_create = """-- create catalogue_match: the share of the plays that match it
CREATE OR REPLACE VIEW catalogue_match AS
SELECT
    COUNT(*) AS plays,
    COUNT(song_id) AS catalogue_plays,
    CAST(
        100 * CAST(COUNT(song_id) AS DOUBLE PRECISION) / NULLIF(COUNT(*), 0) AS NUMERIC(5, 2)
    ) AS catalogue_percent  -- NULL where there are no plays
FROM songplays
"""

# ---------------------------------------------------------------------------------------- run order

# create_tables.py. In this order, views first, nothing that is dropped is still referred to, so
# CASCADE is never needed: it would take other people's views along.
drop_view_queries = (
    "DROP VIEW IF EXISTS top_songs",
    "DROP VIEW IF EXISTS top_artists",
    "DROP VIEW IF EXISTS plays_by_hour",
    "DROP VIEW IF EXISTS plays_by_weekday",
    "DROP VIEW IF EXISTS plays_by_weekday_hour",
    "DROP VIEW IF EXISTS plays_by_day",
    "DROP VIEW IF EXISTS plays_by_level",
    "DROP VIEW IF EXISTS listeners_by_day",
    "DROP VIEW IF EXISTS listening_by_user",
    "DROP VIEW IF EXISTS listening_by_session",
    "DROP VIEW IF EXISTS plays_by_location",
    "DROP VIEW IF EXISTS plays_by_browser",
    "DROP VIEW IF EXISTS catalogue_match",
)
drop_table_queries = (
    "DROP TABLE IF EXISTS songplays",
    "DROP TABLE IF EXISTS time",
    "DROP TABLE IF EXISTS songs",
    "DROP TABLE IF EXISTS artists",
    "DROP TABLE IF EXISTS users",
    "DROP TABLE IF EXISTS staging_catalogue",
    "DROP TABLE IF EXISTS staging_songs",
    "DROP TABLE IF EXISTS staging_events",
    "DROP TABLE IF EXISTS loaded_files",
)
create_table_queries = (
    loaded_files_table_create,
    staging_events_table_create,
    staging_songs_table_create,
    staging_catalogue_table_create,
    user_table_create,
    artist_table_create,
    song_table_create,
    time_table_create,
    songplay_table_create,
)
create_view_queries = (
    top_songs_view_create,
    top_artists_view_create,
    plays_by_hour_view_create,
    plays_by_weekday_view_create,
    plays_by_weekday_hour_view_create,
    plays_by_day_view_create,
    plays_by_level_view_create,
    listeners_by_day_view_create,
    listening_by_user_view_create,
    listening_by_session_view_create,
    plays_by_location_view_create,
    plays_by_browser_view_create,
    catalogue_match_view_create,
)

# etl.py. DELETE and not TRUNCATE, which commits on Redshift: readers keep the old rows until COMMIT.
empty_table_queries = (
    "DELETE FROM songplays",
    "DELETE FROM time",
    "DELETE FROM songs",
    "DELETE FROM artists",
    "DELETE FROM users",
    "DELETE FROM staging_catalogue",
    "DELETE FROM staging_songs",
    "DELETE FROM staging_events",
    "DELETE FROM loaded_files",
)
copy_table_queries = (staging_events_copy, staging_songs_copy)
copy_prefix_queries = (staging_events_copy_prefix, staging_songs_copy_prefix)
try_copy_queries = (staging_events_try, staging_songs_try, loaded_files_try)
# A table filled within the transaction is unknown to the planner until it is analyzed.
analyze_staging_queries = ("ANALYZE staging_events", "ANALYZE staging_songs")
check_staging_queries = (
    staging_events_complete,
    staging_songs_complete,
    staging_events_required,
    staging_events_ts_plausible,
    staging_songs_required,
)
warn_staging_queries = (staging_events_filled, staging_songs_filled)
touch_queries = (
    touched_users_create,
    touched_songs_create,
    "ANALYZE touched_songs",
    touched_artists_create,
    touched_plays_create,
    touched_plays_insert,
    "ANALYZE touched_users",
    "ANALYZE touched_artists",
    "ANALYZE touched_plays",
)
delete_table_queries = (
    songplay_table_delete,
    time_table_delete,
    song_table_delete,
    artist_table_delete,
    user_table_delete,
    staging_catalogue_delete,
)
insert_table_queries = (
    staging_catalogue_insert,
    user_table_insert,
    artist_table_insert,
    song_table_insert,
    songplay_table_insert,
    time_table_insert,
)
analyze_star_queries = (
    "ANALYZE staging_catalogue",
    "ANALYZE users",
    "ANALYZE artists",
    "ANALYZE songs",
    "ANALYZE songplays",
    "ANALYZE time",
)
check_star_queries = (
    staging_catalogue_unique,
    users_unique,
    songs_unique,
    artists_unique,
    songplays_unique,
    time_unique,
    songplays_complete,
    songplays_real,
    songplays_users_known,
    songplays_songs_known,
    songs_artists_known,
)
record_queries = (loaded_files_copy, "ANALYZE loaded_files", loaded_files_forget)
check_ledger_queries = (loaded_files_unique,)
