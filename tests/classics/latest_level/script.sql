-- One row per user, of the last event: a pair is looked up in a subquery of pairs.
DROP TABLE IF EXISTS staging_events, staging_songs, songplays, users, songs, artists, "time";

CREATE TABLE staging_events (
    artist TEXT, auth TEXT, firstname TEXT, gender TEXT, iteminsession SMALLINT, lastname TEXT,
    length DOUBLE PRECISION, level TEXT, location TEXT, method TEXT, page TEXT, registration BIGINT,
    sessionid INTEGER, song TEXT, status SMALLINT, ts BIGINT, useragent TEXT, userid INTEGER);
CREATE TABLE staging_songs (
    artist_id TEXT, artist_latitude REAL, artist_longitude REAL, artist_location VARCHAR(MAX),
    artist_name TEXT, duration DOUBLE PRECISION, num_songs SMALLINT, song_id TEXT, title TEXT,
    year SMALLINT);
CREATE TABLE users (
    user_id INTEGER NOT NULL PRIMARY KEY, first_name TEXT, last_name TEXT, gender TEXT, level TEXT);
CREATE TABLE artists (
    artist_id TEXT NOT NULL PRIMARY KEY, name TEXT, location VARCHAR(MAX));
CREATE TABLE songs (
    song_id TEXT NOT NULL, title TEXT, artist_id TEXT REFERENCES artists (artist_id), year SMALLINT,
    duration DOUBLE PRECISION, PRIMARY KEY (song_id));
CREATE TABLE "time" (
    start_time TIMESTAMP NOT NULL PRIMARY KEY, hour SMALLINT, day SMALLINT, week SMALLINT,
    month SMALLINT, year SMALLINT, weekday SMALLINT);
CREATE TABLE songplays (
    songplay_id BIGINT IDENTITY NOT NULL, start_time TIMESTAMP, user_id INTEGER, level TEXT,
    song_id TEXT, artist_id TEXT, session_id INTEGER, location TEXT, user_agent TEXT,
    FOREIGN KEY (user_id) REFERENCES users (user_id), FOREIGN KEY (song_id) REFERENCES songs);

COPY staging_events FROM '{data}/log_data' CREDENTIALS 'aws_iam_role={role}'
    JSON '{data}/log_json_path.json' COMPUPDATE OFF STATUPDATE OFF;
COPY staging_songs FROM '{data}/song_data' CREDENTIALS 'aws_iam_role={role}' JSON 'auto';

INSERT INTO users (user_id, first_name, last_name, gender, level)
SELECT DISTINCT userid, firstname, lastname, gender, level
FROM staging_events
WHERE userid IS NOT NULL AND page = 'NextSong' AND (userid, ts) IN (
    SELECT userid, MAX(ts) FROM staging_events WHERE page = 'NextSong' GROUP BY userid);

INSERT INTO songs SELECT song_id, MIN(title), MIN(artist_id), MAX(year), MIN(duration)
FROM staging_songs GROUP BY song_id;

INSERT INTO artists SELECT artist_id, MAX(artist_name), MAX(artist_location)
FROM staging_songs GROUP BY artist_id;

INSERT INTO songplays (start_time, user_id, level, song_id, artist_id, session_id, location, user_agent)
SELECT DATEADD(ms, ts, '1970-01-01'), userid, level, song_id, artist_id, sessionid, location, useragent
FROM staging_events LEFT JOIN staging_songs
    ON song = title AND artist = artist_name AND ABS(length - duration) < 0.00001
WHERE page = 'NextSong';

INSERT INTO "time"
SELECT start_time, DATE_PART(h, start_time), DATE_PART(d, start_time), DATE_PART(w, start_time),
       DATE_PART(mon, start_time), DATE_PART(y, start_time), DATE_PART(dow, start_time)
FROM (SELECT DISTINCT start_time FROM songplays);

ANALYZE songplays;
SELECT level, gender, COUNT(*) FROM users GROUP BY level, gender ORDER BY 1, 2;
