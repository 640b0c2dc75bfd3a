"""The SQL of the warehouse: tables, lock, copy, touch, match, delete and insert, checks, ledger, views.

This file is data: importing it does nothing. Each statement is complete Amazon Redshift SQL that could
be pasted into a query editor. psycopg2 binds the values, written as %(name)s. The first line,
`-- name: purpose`, identifies a statement in the log, in errors and in Redshift's query history. A
one-line statement is named by its own text, and stands in the run order at the end of the file. Queries
that the toolkit needs for itself are in warehouse/, next to the function that runs them. "guide: x" is
page x of the Amazon Redshift Database Developer Guide.

A row is touched if a load may change it. Temporary tables collect the touched rows, and only they are
replaced in the star schema.

Redshift does not enforce keys, but its planner trusts them, so the checks prove them before a load
commits. No rule chooses a row by the order of arrival. If rows compete, their content decides, so that
the same files always give the same tables.
"""

# ------------------------------------------------------------------------------------------- tables
# VARCHAR lengths are in bytes. Text columns are generous, because Redshift refuses longer values.

etl_lock_create = """-- create etl_lock: the table that a load or reset locks, so that only one of them runs
CREATE TABLE etl_lock (
    loads BIGINT NOT NULL
)
DISTSTYLE ALL           -- one row
"""

loads_table_create = """-- create loads: the history, one row per run that succeeded; a reset keeps it
CREATE TABLE loads (
    run            VARCHAR(64)   NOT NULL,
    kind           VARCHAR(16)   NOT NULL,
    begun_at       TIMESTAMP     NOT NULL,
    finished_at    TIMESTAMP     NOT NULL,
    loaded_whole   VARCHAR(4096),
    files          BIGINT,
    bytes          BIGINT,
    staging_events BIGINT,
    staging_songs  BIGINT,
    users          BIGINT,
    artists        BIGINT,
    songs          BIGINT,
    songplays      BIGINT,
    time           BIGINT,
    with_song      BIGINT,
    with_artist    BIGINT,
    changed_plays  BIGINT,
    rejected       BIGINT
)
DISTSTYLE EVEN          -- never joined
SORTKEY (begun_at)      -- queries ask for the last runs
"""

loaded_files_table_create = """-- create loaded_files: the ledger, one row per file that is loaded
CREATE TABLE loaded_files (
    url         VARCHAR(2048) NOT NULL,
    etag        VARCHAR(128)  NOT NULL,
    bytes       BIGINT        NOT NULL,
    loaded_into VARCHAR(32)   NOT NULL,
    loaded_at   TIMESTAMP     NOT NULL DEFAULT SYSDATE
)
DISTKEY (url)           -- versions of a file are on one slice; no PRIMARY KEY, because the planner
SORTKEY (loaded_at)     -- would trust it in the check that proves it
"""

staging_events_table_create = """-- create staging_events: log events of the last load, a column per JSON key
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
    userid        BIGINT
)
DISTKEY (userid)        -- a user's events are on one slice, to find the latest; no sort key, because
                        -- a load reads every row
"""

staging_songs_table_create = """-- create staging_songs: songs of the last load, a column per JSON key
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
    year             INTEGER
)
DISTKEY (song_id)       -- versions of a song are on one slice; no sort key: a load reads every row
"""

# The next two tables keep what later loads need from earlier ones, exactly as COPY loaded it (year 0, an
# empty location). So old and new rows are compared in the same form, and the order of loads does not count.

catalogue_table_create = """-- create catalogue: one row per song id, taken whole from one document
CREATE TABLE catalogue (
    song_id          VARCHAR(64)    NOT NULL,
    title            VARCHAR(1024)  NOT NULL,
    artist_id        VARCHAR(64)    NOT NULL,
    artist_name      VARCHAR(1024)  NOT NULL,
    artist_location  VARCHAR(2048),
    artist_latitude  NUMERIC(9, 5),
    artist_longitude NUMERIC(9, 5),
    year             INTEGER,
    duration         NUMERIC(12, 5) NOT NULL
)
DISTSTYLE ALL                   -- joined with plays from every node
SORTKEY (artist_name, title)    -- plays are matched by these
"""

latest_events_table_create = """-- create latest_events: one row per user id, the latest event on any page
CREATE TABLE latest_events (
    userid        BIGINT       NOT NULL,
    ts            BIGINT       NOT NULL,
    iteminsession INTEGER      NOT NULL,
    sessionid     BIGINT       NOT NULL,
    level         VARCHAR(16)  NOT NULL,
    firstname     VARCHAR(256),
    lastname      VARCHAR(256),
    gender        VARCHAR(16)
)
DISTKEY (userid)        -- on the same slice as the user's events in staging_events
SORTKEY (userid)        -- joined by it
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
DISTSTYLE ALL           -- small and joined by most reports: a copy on every node
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
DISTSTYLE ALL           -- small and joined by most reports: a copy on every node
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
DISTSTYLE ALL           -- small and joined by most reports: a copy on every node
SORTKEY (song_id)
"""

time_table_create = """-- create time: one row per instant at which a play started
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
DISTKEY (start_time)    -- as large as songplays, and distributed like it: joins move no rows
SORTKEY (start_time)    -- reports filter by time
"""

songplay_table_create = """-- create songplays: the fact table, one row per play
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
SORTKEY (start_time)    -- reports filter by time
"""

# --------------------------------------------------------------------------------------------- lock

etl_lock_fill = """-- fill etl_lock: insert its only row, a counter of loads and resets
INSERT INTO etl_lock (loads)
SELECT 0
FROM (SELECT COUNT(*) AS n FROM etl_lock) AS lock_rows
WHERE n = 0
"""

etl_lock_take = """-- lock etl_lock: keep out other loads and resets until this one ends
LOCK etl_lock
"""

# A load that waited for the lock may still see the tables as they were before the other load committed.
# In that case the UPDATE fails, as it does on Redshift and on PostgreSQL if two transactions change one
# row, and the load starts over.
etl_lock_increment = """-- increment etl_lock: fails if another load committed since this transaction began
UPDATE etl_lock SET loads = loads + 1
"""

# --------------------------------------------------------------------------------------------- copy
# Staging holds only this load. It is emptied by DELETE, because TRUNCATE commits on Redshift.
#
# ROUNDEC: COPY reads a JSON number as a double. Without ROUNDEC it would truncate to the scale, and half
# of the lengths would become the next lower value. TRIMBLANKS: Redshift ignores trailing blanks in
# comparisons, other engines do not. MAXERROR is the number of rejected rows at which COPY fails.
# MANIFEST is bound if a manifest lists the files, and NOLOAD for the trial of --check.

staging_events_copy = """-- copy staging_events: log files
COPY staging_events (
    artist, auth, firstname, gender, iteminsession, lastname, length, level, location, method, page,
    registration, sessionid, song, status, ts, useragent, userid
)
FROM %(staging_events_files)s %(staging_events_manifest)s
IAM_ROLE %(iam_role)s
REGION %(region)s
FORMAT AS JSON %(log_jsonpath)s
ROUNDEC
TRIMBLANKS
MAXERROR %(maxerror)s
COMPUPDATE OFF %(noload)s
"""

staging_songs_copy = """-- copy staging_songs: song files
COPY staging_songs (
    artist_id, artist_latitude, artist_location, artist_longitude, artist_name, duration, num_songs,
    song_id, title, year
)
FROM %(staging_songs_files)s %(staging_songs_manifest)s
IAM_ROLE %(iam_role)s
REGION %(region)s
FORMAT AS JSON 'auto ignorecase'
ROUNDEC
TRIMBLANKS
MAXERROR %(maxerror)s
COMPUPDATE OFF %(noload)s
"""

last_copy = """-- last copy: the number of rows that the last COPY of this session loaded
SELECT pg_last_copy_count() AS copied
"""

# -------------------------------------------------------------------------------------- touch songs
# New versions of songs are added to the catalogue, and then one version of each song is kept.

earlier_catalogue_create = """-- keep catalogue: the catalogue as it was before this load
CREATE TEMP TABLE earlier_catalogue AS
SELECT
    song_id, title, artist_id, artist_name, artist_location, artist_latitude, artist_longitude, year,
    duration
FROM catalogue
"""

catalogue_insert = """-- insert catalogue: every version of a song in the new files
INSERT INTO catalogue (
    song_id, title, artist_id, artist_name, artist_location, artist_latitude, artist_longitude, year,
    duration
)
SELECT
    song_id, title, artist_id, artist_name, artist_location, artist_latitude, artist_longitude, year,
    duration
FROM staging_songs
"""

chosen_songs_create = """-- choose songs: of each song with several versions, the one that sorts first
CREATE TEMP TABLE chosen_songs AS
WITH versions AS (
    SELECT
        songs.song_id, songs.title, songs.artist_id, songs.artist_name, songs.artist_location,
        songs.artist_latitude, songs.artist_longitude, songs.year, songs.duration,
        ROW_NUMBER() OVER (
            PARTITION BY songs.song_id
            ORDER BY songs.title, songs.artist_id, songs.artist_name, songs.duration, songs.year,
                songs.artist_location, songs.artist_latitude, songs.artist_longitude
        ) AS nth_version
    FROM (SELECT song_id FROM catalogue GROUP BY song_id HAVING COUNT(*) > 1) AS rivals
    JOIN catalogue AS songs ON songs.song_id = rivals.song_id
)
SELECT
    song_id, title, artist_id, artist_name, artist_location, artist_latitude, artist_longitude, year,
    duration
FROM versions
WHERE nth_version = 1
"""

catalogue_choose = """-- choose catalogue: insert the chosen version of each song that had several
INSERT INTO catalogue (
    song_id, title, artist_id, artist_name, artist_location, artist_latitude, artist_longitude, year,
    duration
)
SELECT
    song_id, title, artist_id, artist_name, artist_location, artist_latitude, artist_longitude, year,
    duration
FROM chosen_songs
"""

touched_songs_create = """-- touch songs: rows that the catalogue has only before or only after this load
CREATE TEMP TABLE touched_songs AS
SELECT song_id, artist_id, artist_name
FROM (
    SELECT
        song_id, title, artist_id, artist_name, artist_location, artist_latitude, artist_longitude,
        year, duration
    FROM earlier_catalogue
    UNION ALL
    SELECT
        song_id, title, artist_id, artist_name, artist_location, artist_latitude, artist_longitude,
        year, duration
    FROM catalogue
) AS before_and_after
GROUP BY
    song_id, title, artist_id, artist_name, artist_location, artist_latitude, artist_longitude, year,
    duration
HAVING COUNT(*) = 1
"""

earlier_plays_create = """-- touch earlier plays: loaded plays whose song or artist may have changed
CREATE TEMP TABLE earlier_plays AS
SELECT songplay_id, start_time, song_title, artist_name, length, song_id, artist_id
FROM songplays
WHERE artist_name IN (SELECT artist_name FROM touched_songs)
"""

# -------------------------------------------------------------------------------------- touch plays

touched_plays_create = """-- touch plays: the NextSong events of the new files, with the columns of songplays
CREATE TEMP TABLE touched_plays
DISTKEY (start_time)    -- like songplays, so that joins move no rows
SORTKEY (start_time)
AS
SELECT
    CAST(MD5(
        COALESCE(CAST(userid AS VARCHAR), '') || '|' || CAST(sessionid AS VARCHAR) || '|'
        || CAST(iteminsession AS VARCHAR) || '|' || CAST(ts AS VARCHAR)
    ) AS VARCHAR(32)) AS songplay_id,
    TIMESTAMP 'epoch' + ts * INTERVAL '0.001 second' AS start_time,
    userid AS user_id,
    level,
    sessionid AS session_id,
    location,
    CAST(NULLIF(RTRIM(CASE  -- the log puts agents in quotes
        WHEN LEN(useragent) > 1 AND LEFT(useragent, 1) = '"' AND RIGHT(useragent, 1) = '"'
            THEN SUBSTRING(useragent, 2, LEN(useragent) - 2)
        ELSE useragent
    END), '') AS VARCHAR(2048)) AS user_agent,
    song AS song_title,
    artist AS artist_name,
    length
FROM staging_events
WHERE page = 'NextSong'
"""

# Redshift has no indexes. It uses the sort key to find the rows of songplays and time that a load changes:
# given two literal bounds, it skips the blocks outside them.
touched_span = """-- span of touched_plays: first and last start_time, and the number of duplicate plays
SELECT
    MIN(start_time) AS first_play, MAX(start_time) AS last_play,
    COUNT(*) - COUNT(DISTINCT songplay_id) AS duplicates
FROM touched_plays
"""

touched_plays_insert = """-- touch loaded plays: add the rows that songplays already has for the same plays
INSERT INTO touched_plays (
    songplay_id, start_time, user_id, level, session_id, location, user_agent, song_title,
    artist_name, length
)
SELECT
    plays.songplay_id, plays.start_time, plays.user_id, plays.level, plays.session_id,
    plays.location, plays.user_agent, plays.song_title, plays.artist_name, plays.length
FROM (SELECT DISTINCT start_time, songplay_id FROM touched_plays) AS touched
JOIN songplays AS plays
    ON plays.start_time = touched.start_time
    AND plays.songplay_id = touched.songplay_id
WHERE plays.start_time BETWEEN %(first_play)s AND %(last_play)s
"""

songplay_table_delete = """-- delete songplays: rows of the touched plays, which are inserted again
DELETE FROM songplays USING touched_plays
WHERE songplays.start_time = touched_plays.start_time
    AND songplays.songplay_id = touched_plays.songplay_id
    AND songplays.start_time BETWEEN %(first_play)s AND %(last_play)s
"""

chosen_plays_create = """-- choose plays: of each play with several versions, the one that sorts first
CREATE TEMP TABLE chosen_plays
DISTKEY (start_time)
AS
WITH versions AS (
    SELECT
        plays.songplay_id, plays.start_time, plays.user_id, plays.level, plays.session_id,
        plays.location, plays.user_agent, plays.song_title, plays.artist_name, plays.length,
        ROW_NUMBER() OVER (
            PARTITION BY plays.start_time, plays.songplay_id
            ORDER BY plays.song_title, plays.artist_name, plays.length, plays.level, plays.location,
                plays.user_agent
        ) AS nth_version
    FROM (
        SELECT start_time, songplay_id
        FROM touched_plays
        GROUP BY start_time, songplay_id
        HAVING COUNT(*) > 1
    ) AS rivals
    JOIN touched_plays AS plays
        ON plays.start_time = rivals.start_time
        AND plays.songplay_id = rivals.songplay_id
)
SELECT
    songplay_id, start_time, user_id, level, session_id, location, user_agent, song_title,
    artist_name, length
FROM versions
WHERE nth_version = 1
"""

touched_plays_delete = """-- delete touched_plays: all versions of plays that have several
DELETE FROM touched_plays USING chosen_plays
WHERE touched_plays.start_time = chosen_plays.start_time
    AND touched_plays.songplay_id = chosen_plays.songplay_id
"""

touched_plays_choose = """-- choose touched_plays: insert the chosen version of each play that had several
INSERT INTO touched_plays (
    songplay_id, start_time, user_id, level, session_id, location, user_agent, song_title,
    artist_name, length
)
SELECT
    songplay_id, start_time, user_id, level, session_id, location, user_agent, song_title,
    artist_name, length
FROM chosen_plays
"""

# -------------------------------------------------------------------------------------------- match
# Done once for each distinct combination of title, artist and length, not for each play.

played_songs_create = """-- create played_songs: titles, artists and lengths to match
CREATE TEMP TABLE played_songs (
    song_title  VARCHAR(1024),
    artist_name VARCHAR(1024),
    length      NUMERIC(12, 5)
)
DISTSTYLE ALL
"""

played_songs_insert = """-- insert played_songs: songs of the new plays that are in the catalogue
INSERT INTO played_songs (song_title, artist_name, length)
SELECT DISTINCT plays.song_title, plays.artist_name, plays.length
FROM (SELECT DISTINCT title, artist_name FROM catalogue) AS songs
JOIN touched_plays AS plays
    ON plays.song_title = songs.title
    AND plays.artist_name = songs.artist_name
"""

earlier_songs_insert = """-- insert earlier played_songs: songs of the earlier plays that are in the catalogue
INSERT INTO played_songs (song_title, artist_name, length)
SELECT DISTINCT plays.song_title, plays.artist_name, plays.length
FROM (SELECT DISTINCT title, artist_name FROM catalogue) AS songs
JOIN earlier_plays AS plays
    ON plays.song_title = songs.title
    AND plays.artist_name = songs.artist_name
"""

song_matches_create = """-- match songs: by title and artist, the one nearest in length, then the lowest id
CREATE TEMP TABLE song_matches
DISTSTYLE ALL           -- joined with plays from every node
AS
WITH nearest AS (
    SELECT
        played.song_title, played.artist_name, played.length,
        MIN(ABS(songs.duration - played.length)) AS distance
    FROM played_songs AS played
    JOIN catalogue AS songs
        ON songs.title = played.song_title
        AND songs.artist_name = played.artist_name
    GROUP BY played.song_title, played.artist_name, played.length
),
matched AS (
    SELECT nearest.song_title, nearest.artist_name, nearest.length, MIN(songs.song_id) AS song_id
    FROM nearest
    JOIN catalogue AS songs
        ON songs.title = nearest.song_title
        AND songs.artist_name = nearest.artist_name
    WHERE ABS(songs.duration - nearest.length) = nearest.distance
        OR nearest.length IS NULL
    GROUP BY nearest.song_title, nearest.artist_name, nearest.length
)
SELECT
    matched.song_title, matched.artist_name,
    COALESCE(CAST(matched.length AS VARCHAR), '') AS length,  -- never NULL, for the join
    matched.song_id, songs.artist_id
FROM matched
JOIN catalogue AS songs ON songs.song_id = matched.song_id
"""

artist_matches_create = """-- match artists: the artist of each name that belongs to only one artist
CREATE TEMP TABLE artist_matches
DISTSTYLE ALL           -- joined with plays from every node
AS
SELECT artist_name, MIN(artist_id) AS artist_id
FROM catalogue
GROUP BY artist_name
HAVING MIN(artist_id) = MAX(artist_id)
"""

# ---------------------------------------------------------------------------------- delete, insert
# Touched rows are deleted and inserted again: an upsert that both engines support.

artist_table_insert = """-- insert artists: each from one song, if possible one with location and coordinates
INSERT INTO artists (artist_id, name, location, latitude, longitude)
WITH candidates AS (
    SELECT
        song_id,
        ROW_NUMBER() OVER (
            PARTITION BY artist_id
            ORDER BY
                CASE WHEN COALESCE(artist_location, '') = '' THEN 1 ELSE 0 END,
                CASE
                    WHEN artist_latitude IS NULL OR artist_longitude IS NULL THEN 1
                    ELSE 0
                END,
                COALESCE(year, 0) DESC,
                song_id
        ) AS nth_best
    FROM catalogue
    WHERE artist_id IN (SELECT artist_id FROM touched_songs)
)
SELECT
    songs.artist_id, songs.artist_name, NULLIF(songs.artist_location, ''), songs.artist_latitude,
    songs.artist_longitude
FROM candidates
JOIN catalogue AS songs ON songs.song_id = candidates.song_id
WHERE candidates.nth_best = 1
"""

song_table_insert = """-- insert songs: from the catalogue; an unknown year (0) is NULL
INSERT INTO songs (song_id, title, artist_id, year, duration)
SELECT song_id, title, artist_id, NULLIF(year, 0), duration
FROM catalogue
WHERE song_id IN (SELECT song_id FROM touched_songs)
"""

changed_plays_create = """-- touch changed plays: earlier plays that now match another song or artist
CREATE TEMP TABLE changed_plays
DISTKEY (start_time)    -- like songplays, so that joins move no rows
SORTKEY (start_time)
AS
SELECT songplay_id, start_time, song_id, artist_id
FROM (
    SELECT
        plays.songplay_id, plays.start_time,
        plays.song_id AS earlier_song_id, plays.artist_id AS earlier_artist_id,
        songs.song_id, COALESCE(songs.artist_id, artists.artist_id) AS artist_id
    FROM earlier_plays AS plays
    LEFT JOIN song_matches AS songs
        ON songs.song_title = plays.song_title
        AND songs.artist_name = plays.artist_name
        AND songs.length = COALESCE(CAST(plays.length AS VARCHAR), '')
    LEFT JOIN artist_matches AS artists ON artists.artist_name = plays.artist_name
) AS matches
WHERE COALESCE(song_id, '') <> COALESCE(earlier_song_id, '')
    OR COALESCE(artist_id, '') <> COALESCE(earlier_artist_id, '')
"""

changed_span = """-- span of changed_plays: first and last start_time
SELECT MIN(start_time) AS first_changed, MAX(start_time) AS last_changed
FROM changed_plays
"""

songplay_table_update = """-- update songplays: new song and artist of earlier plays
UPDATE songplays
SET song_id = changed.song_id, artist_id = changed.artist_id
FROM changed_plays AS changed
WHERE songplays.start_time = changed.start_time
    AND songplays.songplay_id = changed.songplay_id
    AND songplays.start_time BETWEEN %(first_changed)s AND %(last_changed)s
"""

songplays_span = """-- span of songplays: all of it, because a load of all songs checks every play
SELECT MIN(start_time) AS first_changed, MAX(start_time) AS last_changed
FROM songplays
"""

chosen_events_create = """-- choose events: the latest of each user; of several, the one that sorts first
CREATE TEMP TABLE chosen_events AS
WITH versions AS (
    SELECT
        events.userid, events.ts, events.iteminsession, events.sessionid, events.level,
        events.firstname, events.lastname, events.gender
    FROM (
        SELECT userid, MAX(ts) AS ts
        FROM staging_events
        WHERE userid IS NOT NULL
        GROUP BY userid
    ) AS latest
    JOIN staging_events AS events
        ON events.userid = latest.userid
        AND events.ts = latest.ts
    UNION ALL
    SELECT userid, ts, iteminsession, sessionid, level, firstname, lastname, gender
    FROM latest_events
    WHERE userid IN (SELECT userid FROM staging_events)
),
ranked AS (
    SELECT
        userid, ts, iteminsession, sessionid, level, firstname, lastname, gender,
        ROW_NUMBER() OVER (
            PARTITION BY userid
            ORDER BY ts DESC, iteminsession DESC, sessionid DESC, level, firstname, lastname, gender
        ) AS nth_latest
    FROM versions
)
SELECT userid, ts, iteminsession, sessionid, level, firstname, lastname, gender
FROM ranked
WHERE nth_latest = 1
"""

latest_events_insert = """-- insert latest_events: the latest event so far of each user in the new files
INSERT INTO latest_events (
    userid, ts, iteminsession, sessionid, level, firstname, lastname, gender
)
SELECT userid, ts, iteminsession, sessionid, level, firstname, lastname, gender
FROM chosen_events
"""

touched_users_create = """-- touch users: users whose latest event differs from their row
CREATE TEMP TABLE touched_users AS
SELECT userid AS user_id, firstname AS first_name, lastname AS last_name, gender, level
FROM latest_events
EXCEPT
SELECT user_id, first_name, last_name, gender, level
FROM users
"""

user_table_insert = """-- insert users: the values of their latest event
INSERT INTO users (user_id, first_name, last_name, gender, level)
SELECT user_id, first_name, last_name, gender, level
FROM touched_users
"""

songplay_table_insert = """-- insert songplays: touched plays with their song and artist, or the artist alone
INSERT INTO songplays (
    songplay_id, start_time, user_id, level, song_id, artist_id, session_id, location, user_agent,
    song_title, artist_name, length
)
SELECT
    plays.songplay_id, plays.start_time, plays.user_id, plays.level,
    songs.song_id, COALESCE(songs.artist_id, artists.artist_id),
    plays.session_id, plays.location, plays.user_agent,
    plays.song_title, plays.artist_name, plays.length
FROM touched_plays AS plays
LEFT JOIN song_matches AS songs
    ON songs.song_title = plays.song_title
    AND songs.artist_name = plays.artist_name
    AND songs.length = COALESCE(CAST(plays.length AS VARCHAR), '')
LEFT JOIN artist_matches AS artists ON artists.artist_name = plays.artist_name
ORDER BY plays.start_time  -- in the order of the sort key
"""

time_table_insert = """-- insert time: missing instants of the new plays; week is ISO, weekday 0 is Sunday
INSERT INTO time (start_time, hour, day, week, month, year, weekday)
SELECT
    start_time,
    EXTRACT(hour FROM start_time),
    EXTRACT(day FROM start_time),
    EXTRACT(week FROM start_time),
    EXTRACT(month FROM start_time),
    EXTRACT(year FROM start_time),
    EXTRACT(dow FROM start_time)
FROM (
    SELECT DISTINCT plays.start_time
    FROM touched_plays AS plays
    LEFT JOIN time
        ON time.start_time = plays.start_time
        AND time.start_time BETWEEN %(first_play)s AND %(last_play)s
    WHERE time.start_time IS NULL
) AS instants
ORDER BY start_time  -- in the order of the sort key
"""

songplays_matched = """-- count songplays: inserted plays, those with a song and those with an artist
SELECT COUNT(*) AS plays, COUNT(plays.song_id) AS with_song, COUNT(plays.artist_id) AS with_artist
FROM touched_plays
JOIN songplays AS plays
    ON plays.start_time = touched_plays.start_time
    AND plays.songplay_id = touched_plays.songplay_id
WHERE plays.start_time BETWEEN %(first_play)s AND %(last_play)s
"""

# ------------------------------------------------------------------------------------------- checks
# Each check selects the rows that break a rule, so no rows means that it passes. Redshift's planner trusts
# declared keys and may optimise away a join that would prove them. So the checks count instead: a row of
# the table counts 1, and each key that must be there is added as a row that counts 0.

staging_events_complete = """-- staging_events_complete: staging_events holds as many rows as COPY reported
SELECT COUNT(*) AS rows_found, %(staging_events_rows)s AS rows_copied
FROM staging_events
HAVING COUNT(*) <> %(staging_events_rows)s
"""

staging_songs_complete = """-- staging_songs_complete: staging_songs holds as many rows as COPY reported
SELECT COUNT(*) AS rows_found, %(staging_songs_rows)s AS rows_copied
FROM staging_songs
HAVING COUNT(*) <> %(staging_songs_rows)s
"""

staging_events_required = """-- staging_events_required: no event has a blank page or level
SELECT ts, sessionid, iteminsession, page, level
FROM staging_events
WHERE page = '' OR level = ''
"""

staging_events_ts_plausible = """-- staging_events_ts_plausible: ts is in milliseconds, from 2000 to 2100
SELECT ts, sessionid, iteminsession, page
FROM staging_events
WHERE ts NOT BETWEEN 946684800000 AND 4102444800000
"""

staging_songs_required = """-- staging_songs_required: no song has a blank id, title or artist name
SELECT song_id, title, artist_id, artist_name
FROM staging_songs
WHERE song_id = '' OR title = '' OR artist_id = '' OR artist_name = ''
"""

staging_events_filled = """-- staging_events_filled: no column is empty in every event (check LOG_JSONPATH)
SELECT
    COUNT(artist) AS artist, COUNT(auth) AS auth, COUNT(firstname) AS firstname,
    COUNT(gender) AS gender, COUNT(lastname) AS lastname, COUNT(length) AS length,
    COUNT(location) AS location, COUNT(method) AS method, COUNT(registration) AS registration,
    COUNT(song) AS song, COUNT(status) AS status, COUNT(useragent) AS useragent,
    COUNT(userid) AS userid
FROM staging_events
HAVING COUNT(*) >= 100  -- a column may well be empty in a few rows
    AND LEAST(
        COUNT(artist), COUNT(auth), COUNT(firstname), COUNT(gender), COUNT(lastname), COUNT(length),
        COUNT(location), COUNT(method), COUNT(registration), COUNT(song), COUNT(status),
        COUNT(useragent), COUNT(userid)
    ) = 0
"""

staging_events_next_song = """-- staging_events_next_song: of 100 events or more, some have the page NextSong
SELECT page, COUNT(*) AS events
FROM staging_events
WHERE 0 = (SELECT COUNT(*) FROM staging_events WHERE page = 'NextSong')
    AND 100 <= (SELECT COUNT(*) FROM staging_events)  -- a few events may well contain no play
GROUP BY page
"""

staging_events_levels = """-- staging_events_levels: every level is free or paid, as the views count no other
SELECT level, COUNT(*) AS events
FROM staging_events
WHERE level NOT IN ('free', 'paid')
GROUP BY level
"""

staging_songs_filled = """-- staging_songs_filled: no column is empty in every song
SELECT
    COUNT(artist_latitude) AS artist_latitude, COUNT(artist_location) AS artist_location,
    COUNT(artist_longitude) AS artist_longitude, COUNT(num_songs) AS num_songs,
    COUNT(year) AS year
FROM staging_songs
HAVING COUNT(*) >= 100  -- a column may well be empty in a few rows
    AND LEAST(
        COUNT(artist_latitude), COUNT(artist_location), COUNT(artist_longitude), COUNT(num_songs),
        COUNT(year)
    ) = 0
"""

catalogue_unique = """-- catalogue_unique: each song once, and every song of the new files
SELECT song_id, SUM(times) AS times
FROM (
    SELECT song_id, 1 AS times FROM catalogue
    UNION ALL
    SELECT song_id, 0 FROM staging_songs
) AS counted
GROUP BY song_id
HAVING SUM(times) <> 1
"""

catalogue_first = """-- catalogue_first: the catalogue has that version of each new song that sorts first
WITH others AS (
    SELECT
        song_id, title, artist_id, artist_name, artist_location, artist_latitude, artist_longitude,
        year, duration
    FROM staging_songs
    EXCEPT
    SELECT
        song_id, title, artist_id, artist_name, artist_location, artist_latitude, artist_longitude,
        year, duration
    FROM catalogue
),
versions AS (
    SELECT
        song_id, title, artist_id, artist_name, artist_location, artist_latitude, artist_longitude,
        year, duration, 0 AS is_other
    FROM catalogue
    WHERE song_id IN (SELECT song_id FROM others)
    UNION ALL
    SELECT
        song_id, title, artist_id, artist_name, artist_location, artist_latitude, artist_longitude,
        year, duration, 1 AS is_other
    FROM others
),
ranked AS (
    SELECT
        song_id, title, artist_id, is_other,
        ROW_NUMBER() OVER (
            PARTITION BY song_id
            ORDER BY title, artist_id, artist_name, duration, year, artist_location,
                artist_latitude, artist_longitude
        ) AS nth_version
    FROM versions
)
SELECT song_id, title, artist_id
FROM ranked
WHERE nth_version = 1
    AND is_other = 1
"""

songs_unique = """-- songs_unique: songs has each song of the catalogue once, and no other song
SELECT song_id, SUM(times) AS times
FROM (
    SELECT song_id, 1 AS times, 0 AS songs FROM songs
    UNION ALL
    SELECT song_id, 0, 1 FROM catalogue
) AS counted
GROUP BY song_id
HAVING SUM(times) <> 1 OR SUM(songs) = 0
"""

artists_unique = """-- artists_unique: artists has each artist of the catalogue once, and no other artist
SELECT artist_id, SUM(times) AS times
FROM (
    SELECT artist_id, 1 AS times, 0 AS songs FROM artists
    UNION ALL
    SELECT artist_id, 0, 1 FROM catalogue
) AS counted
GROUP BY artist_id
HAVING SUM(times) <> 1 OR SUM(songs) = 0
"""

songs_artists_known = """-- songs_artists_known: every artist_id of songs is in artists
SELECT artist_id, SUM(songs) AS songs
FROM (
    SELECT artist_id, 1 AS songs, 0 AS artists FROM songs
    UNION ALL
    SELECT artist_id, 0, 1 FROM artists
) AS counted
GROUP BY artist_id
HAVING SUM(artists) = 0
"""

latest_events_unique = """-- latest_events_unique: each user once, and every user of the new files
SELECT userid, SUM(times) AS times
FROM (
    SELECT userid, 1 AS times FROM latest_events
    UNION ALL
    SELECT userid, 0 FROM staging_events WHERE userid IS NOT NULL
) AS counted
GROUP BY userid
HAVING SUM(times) <> 1
"""

latest_events_latest = """-- latest_events_latest: no new event of a user is later than the one kept
WITH versions AS (
    SELECT
        userid, ts, iteminsession, sessionid, level, firstname, lastname, gender, 0 AS is_other
    FROM latest_events
    WHERE userid IN (SELECT userid FROM staging_events)
    UNION ALL
    SELECT
        events.userid, events.ts, events.iteminsession, events.sessionid, events.level,
        events.firstname, events.lastname, events.gender, 1 AS is_other
    FROM latest_events AS latest
    JOIN staging_events AS events ON events.userid = latest.userid
    WHERE events.ts >= latest.ts
),
ranked AS (
    SELECT
        userid, ts, is_other,
        ROW_NUMBER() OVER (
            PARTITION BY userid
            ORDER BY ts DESC, iteminsession DESC, sessionid DESC, level, firstname, lastname, gender,
                is_other
        ) AS nth_latest
    FROM versions
)
SELECT userid, ts
FROM ranked
WHERE nth_latest = 1
    AND is_other = 1
"""

users_unique = """-- users_unique: each user once, and every user of the new files
SELECT user_id, SUM(times) AS times
FROM (
    SELECT user_id, 1 AS times FROM users
    UNION ALL
    SELECT userid, 0 FROM staging_events WHERE userid IS NOT NULL
) AS counted
GROUP BY user_id
HAVING SUM(times) <> 1
"""

touched_plays_complete = """-- touched_plays_complete: one touched play for each distinct new NextSong event
SELECT SUM(events) AS events, SUM(plays) AS plays
FROM (
    SELECT COUNT(*) AS events, 0 AS plays
    FROM (
        SELECT DISTINCT userid, sessionid, iteminsession, ts
        FROM staging_events
        WHERE page = 'NextSong'
    ) AS different
    UNION ALL
    SELECT 0, COUNT(DISTINCT songplay_id) FROM touched_plays
) AS counted
HAVING SUM(events) <> SUM(plays)
"""

songplays_unique = """-- songplays_unique: songplays has each touched play exactly once
SELECT songplay_id, start_time, SUM(times) AS times
FROM (
    SELECT songplay_id, start_time, 1 AS times
    FROM songplays
    WHERE start_time BETWEEN %(first_play)s AND %(last_play)s
        AND start_time IN (SELECT start_time FROM touched_plays)
    UNION ALL
    SELECT songplay_id, start_time, 0 FROM touched_plays
) AS counted
GROUP BY songplay_id, start_time
HAVING SUM(times) <> 1
"""

songplays_real = """-- songplays_real: each touched play has user, session and time of a NextSong event
SELECT plays.user_id, plays.session_id, plays.start_time
FROM touched_plays AS touched
JOIN songplays AS plays
    ON plays.start_time = touched.start_time
    AND plays.songplay_id = touched.songplay_id
WHERE plays.start_time BETWEEN %(first_play)s AND %(last_play)s
EXCEPT
SELECT userid, sessionid, TIMESTAMP 'epoch' + ts * INTERVAL '0.001 second'
FROM staging_events
WHERE page = 'NextSong'
"""

songplays_users_known = """-- songplays_users_known: every user_id of the plays is in users
SELECT user_id, SUM(plays) AS plays
FROM (
    SELECT user_id, 1 AS plays, 0 AS users
    FROM songplays
    WHERE start_time BETWEEN %(first_play)s AND %(last_play)s
        AND user_id IS NOT NULL
    UNION ALL
    SELECT user_id, 0, 1 FROM users
) AS counted
GROUP BY user_id
HAVING SUM(users) = 0
"""

songplays_songs_known = """-- songplays_songs_known: song and artist of a play are in the catalogue together
SELECT plays.song_id, plays.artist_id, plays.artist_name
FROM (
    SELECT DISTINCT song_id, artist_id, artist_name
    FROM songplays
    WHERE start_time BETWEEN %(first_play)s AND %(last_play)s
) AS plays
LEFT JOIN catalogue AS songs
    ON songs.song_id = plays.song_id
    AND songs.artist_id = plays.artist_id
    AND songs.artist_name = plays.artist_name
LEFT JOIN (SELECT DISTINCT artist_id, artist_name FROM catalogue) AS artists
    ON artists.artist_id = plays.artist_id
    AND artists.artist_name = plays.artist_name
WHERE (plays.song_id IS NOT NULL AND songs.song_id IS NULL)
    OR (plays.artist_id IS NOT NULL AND artists.artist_id IS NULL)
"""

changed_plays_known = """-- changed_plays_known: song and artist of earlier plays are in the catalogue
SELECT plays.song_id, plays.artist_id, plays.artist_name
FROM (
    SELECT DISTINCT song_id, artist_id, artist_name
    FROM songplays
    WHERE start_time BETWEEN %(first_changed)s AND %(last_changed)s
) AS plays
LEFT JOIN catalogue AS songs
    ON songs.song_id = plays.song_id
    AND songs.artist_id = plays.artist_id
    AND songs.artist_name = plays.artist_name
LEFT JOIN (SELECT DISTINCT artist_id, artist_name FROM catalogue) AS artists
    ON artists.artist_id = plays.artist_id
    AND artists.artist_name = plays.artist_name
WHERE (plays.song_id IS NOT NULL AND songs.song_id IS NULL)
    OR (plays.artist_id IS NOT NULL AND artists.artist_id IS NULL)
"""

time_unique = """-- time_unique: the table time has the start_time of each touched play exactly once
SELECT start_time, SUM(times) AS times
FROM (
    SELECT start_time, 1 AS times
    FROM time
    WHERE start_time BETWEEN %(first_play)s AND %(last_play)s
        AND start_time IN (SELECT start_time FROM touched_plays)
    UNION ALL
    SELECT start_time, 0 FROM touched_plays
) AS counted
GROUP BY start_time
HAVING SUM(times) <> 1
"""

loaded_files_unique = """-- loaded_files_unique: the ledger has each file of this load exactly once
SELECT new_files.url, COUNT(*) AS times
FROM loaded_files AS new_files
JOIN loaded_files AS files ON files.url = new_files.url
WHERE new_files.loaded_at = SYSDATE
GROUP BY new_files.url
HAVING COUNT(*) > 1
"""

# ------------------------------------------------------------------------------------------- ledger

loaded_files_copy = """-- copy loaded_files: the files of this load
COPY loaded_files (url, etag, bytes, loaded_into)
FROM %(loaded_files)s
IAM_ROLE %(iam_role)s
REGION %(region)s
FORMAT AS JSON 'auto'
COMPUPDATE OFF %(noload)s
"""

loaded_files_forget = """-- forget loaded_files: delete the rows of earlier versions of this load's files
DELETE FROM loaded_files
WHERE loaded_at <> SYSDATE
    AND url IN (SELECT url FROM loaded_files WHERE loaded_at = SYSDATE)
"""

loads_insert = """-- insert loads: this run
INSERT INTO loads (
    run, kind, begun_at, finished_at, loaded_whole, files, bytes, staging_events, staging_songs,
    users, artists, songs, songplays, time, with_song, with_artist, changed_plays, rejected
)
VALUES (
    %(run)s, %(kind)s, %(begun_at)s, %(finished_at)s, %(loaded_whole)s, %(files)s, %(bytes)s,
    %(staging_events)s, %(staging_songs)s, %(users)s, %(artists)s, %(songs)s, %(songplays)s,
    %(time)s, %(with_song)s, %(with_artist)s, %(changed_plays)s, %(rejected)s
)
"""

# -------------------------------------------------------------------------------------------- views
# Each view answers a question that analysts often ask, with a plain SELECT * FROM it. Every play counts
# once in every view, so the sum of plays is the same in all of them. Plays without a user, title or
# location have their own row, under NULL.
#
# plays              songs started, matched to the catalogue or not
# catalogue_plays    plays that match a song of the catalogue
# listeners          users with a play; plays without a login have no listener
# listening_seconds  total length of the songs played; the log does not show if the rest was skipped
#
# Days, hours and weekdays are UTC. No view has an ORDER BY, because queries on it would sort once more
# than needed. A replaced view keeps its grants, and other people's views on it.

top_songs_view_create = """-- create top_songs: plays by title and artist, as written in the log
CREATE OR REPLACE VIEW top_songs AS
SELECT
    titles.song_title,
    titles.artist_name,
    titles.plays,
    titles.catalogue_plays,
    titles.listeners,
    titles.song_id,     -- in the catalogue; the lowest, if recordings of several lengths match
    COALESCE(songs.artist_id, titles.artist_id) AS artist_id  -- of the song, else of the name
FROM (
    SELECT
        song_title,
        artist_name,
        COUNT(*) AS plays,
        COUNT(song_id) AS catalogue_plays,
        COUNT(DISTINCT user_id) AS listeners,
        MIN(song_id) AS song_id,
        MIN(artist_id) AS artist_id
    FROM songplays
    GROUP BY song_title, artist_name
) AS titles
LEFT JOIN songs ON songs.song_id = titles.song_id
"""

top_artists_view_create = """-- create top_artists: plays by artist name, as written in the log
CREATE OR REPLACE VIEW top_artists AS
SELECT
    artist_name,
    COUNT(*) AS plays,
    COUNT(song_id) AS catalogue_plays,
    COUNT(DISTINCT user_id) AS listeners,
    COUNT(DISTINCT song_title) AS song_titles,  -- number of different titles
    MIN(artist_id) AS artist_id  -- in the catalogue; the lowest, if the plays match several
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
    days                -- dates with a play; a month has five of some weekdays, four of others
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
    COUNT(CASE WHEN level = 'free' THEN 1 END) AS free_plays,  -- by the level at the time of the play
    COUNT(CASE WHEN level = 'paid' THEN 1 END) AS paid_plays,
    COUNT(DISTINCT user_id) AS listeners
FROM songplays
GROUP BY 1
"""

plays_by_level_view_create = """-- create plays_by_level: free against paid, at the time of the play
CREATE OR REPLACE VIEW plays_by_level AS
SELECT
    level,
    COUNT(*) AS plays,
    COUNT(DISTINCT user_id) AS listeners,  -- a user who changed level counts in both
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
    COUNT(CASE WHEN daily.day = firsts.day THEN 1 END) AS new_listeners,  -- on their first day
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

listening_by_user_view_create = """-- create listening_by_user: plays, sessions and listening time by user
CREATE OR REPLACE VIEW listening_by_user AS
SELECT
    totals.user_id,
    users.first_name,
    users.last_name,
    users.level,        -- of the latest event
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

listening_by_session_view_create = """-- create listening_by_session: plays and listening time by session
CREATE OR REPLACE VIEW listening_by_session AS
SELECT
    session_id,         -- unique only together with user_id
    user_id,
    MIN(start_time) AS first_play,  -- UTC
    MAX(start_time) AS last_play,   -- its start, not its end
    COUNT(*) AS plays,
    COALESCE(SUM(length), 0) AS listening_seconds
FROM songplays
GROUP BY session_id, user_id
"""

plays_by_location_view_create = """-- create plays_by_location: plays and listeners by location
CREATE OR REPLACE VIEW plays_by_location AS
SELECT
    location,
    COUNT(*) AS plays,
    COUNT(DISTINCT user_id) AS listeners
FROM songplays
GROUP BY location
"""

# The order of the conditions matters, because user agents name other browsers: those of Edge and Opera
# contain Chrome, and that of Chrome contains Safari.
plays_by_browser_view_create = """-- create plays_by_browser: plays and listeners by browser
CREATE OR REPLACE VIEW plays_by_browser AS
SELECT
    CAST(browser AS VARCHAR(32)) AS browser,  -- unknown if the log has no user agent
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
    FROM (  -- so that an agent is searched once per user and not once per play
        SELECT user_agent, user_id, COUNT(*) AS plays
        FROM songplays
        GROUP BY user_agent, user_id
    ) AS agents
) AS families
GROUP BY families.browser
"""

catalogue_match_view_create = """-- create catalogue_match: the share of plays with a known song or artist
CREATE OR REPLACE VIEW catalogue_match AS
SELECT
    plays,
    catalogue_plays,
    CAST(100 * CAST(catalogue_plays AS DOUBLE PRECISION) / NULLIF(plays, 0) AS NUMERIC(5, 2))
        AS catalogue_percent,
    artist_plays,       -- plays whose artist is in the catalogue, with or without the song
    CAST(100 * CAST(artist_plays AS DOUBLE PRECISION) / NULLIF(plays, 0) AS NUMERIC(5, 2))
        AS artist_percent
FROM (
    SELECT
        COUNT(*) AS plays,
        COUNT(song_id) AS catalogue_plays,
        COUNT(artist_id) AS artist_plays
    FROM songplays
) AS counted
"""

# ---------------------------------------------------------------------------------------- run order
# A one-line statement is named by its own text.

create_lasting_queries = (etl_lock_create, loads_table_create)
create_table_queries = (
    loaded_files_table_create, staging_events_table_create, staging_songs_table_create,
    catalogue_table_create, latest_events_table_create, user_table_create, artist_table_create,
    song_table_create, time_table_create, songplay_table_create,
)
create_view_queries = (
    top_songs_view_create, top_artists_view_create, plays_by_hour_view_create,
    plays_by_weekday_view_create, plays_by_weekday_hour_view_create, plays_by_day_view_create,
    plays_by_level_view_create, listeners_by_day_view_create, listening_by_user_view_create,
    listening_by_session_view_create, plays_by_location_view_create, plays_by_browser_view_create,
    catalogue_match_view_create,
)
# Views are dropped first, and every table after those that refer to it. So CASCADE, which would also drop
# other people's views, is never needed.
drop_view_queries = (
    "DROP VIEW IF EXISTS top_songs", "DROP VIEW IF EXISTS top_artists",
    "DROP VIEW IF EXISTS plays_by_hour", "DROP VIEW IF EXISTS plays_by_weekday",
    "DROP VIEW IF EXISTS plays_by_weekday_hour", "DROP VIEW IF EXISTS plays_by_day",
    "DROP VIEW IF EXISTS plays_by_level", "DROP VIEW IF EXISTS listeners_by_day",
    "DROP VIEW IF EXISTS listening_by_user", "DROP VIEW IF EXISTS listening_by_session",
    "DROP VIEW IF EXISTS plays_by_location", "DROP VIEW IF EXISTS plays_by_browser",
    "DROP VIEW IF EXISTS catalogue_match",
)
drop_table_queries = (
    "DROP TABLE IF EXISTS songplays", "DROP TABLE IF EXISTS time", "DROP TABLE IF EXISTS songs",
    "DROP TABLE IF EXISTS artists", "DROP TABLE IF EXISTS users",
    "DROP TABLE IF EXISTS latest_events", "DROP TABLE IF EXISTS catalogue",
    "DROP TABLE IF EXISTS staging_catalogue",  # of version 0.3.0 and older
    "DROP TABLE IF EXISTS staging_songs", "DROP TABLE IF EXISTS staging_events",
    "DROP TABLE IF EXISTS loaded_files",
)

# A load first takes the write locks that it needs (guide: c_write_readwrite), with DELETEs that match no
# row. So it waits for other writers here, for at most LOCK_TIMEOUT, and never later on.
write_lock_queries = (
    "DELETE FROM staging_events WHERE FALSE", "DELETE FROM staging_songs WHERE FALSE",
    "DELETE FROM songplays WHERE FALSE", "DELETE FROM loads WHERE FALSE",
)
write_lock_log_queries = (
    "DELETE FROM users WHERE FALSE", "DELETE FROM latest_events WHERE FALSE",
    "DELETE FROM time WHERE FALSE",
)
write_lock_song_queries = (
    "DELETE FROM catalogue WHERE FALSE", "DELETE FROM songs WHERE FALSE",
    "DELETE FROM artists WHERE FALSE",
)

# Staging is emptied, and so are the tables of a source that is loaded whole. Not by TRUNCATE, which commits
# on Redshift: readers must see the old rows until COMMIT.
empty_staging_queries = (
    "DELETE FROM staging_events", "DELETE FROM staging_songs",
)
empty_table_queries = (
    "DELETE FROM songplays", "DELETE FROM time", "DELETE FROM songs", "DELETE FROM artists",
    "DELETE FROM users", "DELETE FROM latest_events", "DELETE FROM catalogue",
    "DELETE FROM loaded_files",
)
empty_log_queries = (
    "DELETE FROM songplays", "DELETE FROM time", "DELETE FROM users", "DELETE FROM latest_events",
    "DELETE FROM loaded_files WHERE loaded_into = 'staging_events'",
)
empty_song_queries = (
    "DELETE FROM catalogue", "DELETE FROM loaded_files WHERE loaded_into = 'staging_songs'",
)

# The planner has no statistics of tables that this transaction filled until they are analyzed.
copy_table_queries = (staging_events_copy, staging_songs_copy)
analyze_staging_queries = ("ANALYZE staging_events", "ANALYZE staging_songs")
check_staging_events_queries = (
    staging_events_complete, staging_events_required, staging_events_ts_plausible,
)
warn_staging_events_queries = (
    staging_events_filled, staging_events_next_song, staging_events_levels,
)
check_staging_songs_queries = (staging_songs_complete, staging_songs_required)
warn_staging_songs_queries = (staging_songs_filled,)

prepare_queries = (played_songs_create,)
keep_catalogue_queries = (earlier_catalogue_create,)
touch_song_queries = (
    catalogue_insert,
    chosen_songs_create,
    "DELETE FROM catalogue WHERE song_id IN (SELECT song_id FROM chosen_songs)",
    catalogue_choose,
    "ANALYZE catalogue",
    touched_songs_create,
)
touch_play_queries = (
    touched_plays_create,
    touched_span,
    touched_plays_insert,
    songplay_table_delete,
    chosen_plays_create,
    touched_plays_delete,
    touched_plays_choose,
    "ANALYZE touched_plays",
    played_songs_insert,
)
touch_earlier_play_queries = (earlier_plays_create, earlier_songs_insert)
match_queries = ("ANALYZE played_songs", song_matches_create, artist_matches_create)
replace_song_queries = (
    "DELETE FROM artists WHERE artist_id IN (SELECT artist_id FROM touched_songs)",
    artist_table_insert,
    "DELETE FROM songs WHERE song_id IN (SELECT song_id FROM touched_songs)",
    song_table_insert,
    "ANALYZE artists",
    "ANALYZE songs",
    changed_plays_create,
    changed_span,
    songplay_table_update,
)
whole_song_queries = (songplays_span,)
replace_log_queries = (
    chosen_events_create,
    "DELETE FROM latest_events WHERE userid IN (SELECT userid FROM chosen_events)",
    latest_events_insert,
    touched_users_create,
    "DELETE FROM users WHERE user_id IN (SELECT user_id FROM touched_users)",
    user_table_insert,
    songplay_table_insert,
    time_table_insert,
    songplays_matched,
    "ANALYZE latest_events",
    "ANALYZE users",
    "ANALYZE time",
)
analyze_play_queries = ("ANALYZE songplays",)
insert_table_queries = (  # the statements above that fill the star schema
    artist_table_insert,
    song_table_insert,
    user_table_insert,
    songplay_table_insert,
    time_table_insert,
)

check_song_queries = (
    catalogue_unique, catalogue_first, songs_unique, artists_unique, songs_artists_known,
    changed_plays_known,
)
check_log_queries = (
    latest_events_unique, latest_events_latest, users_unique, touched_plays_complete, songplays_unique,
    songplays_real, songplays_users_known, songplays_songs_known, time_unique,
)
record_queries = (loaded_files_copy, "ANALYZE loaded_files", loaded_files_forget)
check_ledger_queries = (loaded_files_unique,)
