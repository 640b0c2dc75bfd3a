-- Labels that are reserved words, and Redshift's own functions for NULL, choices and lists.
DROP TABLE IF EXISTS staging_events CASCADE;
DROP TABLE IF EXISTS staging_songs CASCADE;
DROP TABLE IF EXISTS songplays CASCADE;
DROP TABLE IF EXISTS users CASCADE;
DROP TABLE IF EXISTS songs CASCADE;
DROP TABLE IF EXISTS artists CASCADE;
DROP TABLE IF EXISTS "time" CASCADE;

CREATE TABLE staging_events (
    "artist" VARCHAR, "auth" VARCHAR, "first_name" VARCHAR, "gender" VARCHAR, "item" INT,
    "last_name" VARCHAR, "length" REAL, "level" VARCHAR, "location" VARCHAR, "method" VARCHAR,
    "page" VARCHAR, "registration" BIGINT, "session_id" INT, "song" VARCHAR, "status" INT,
    "ts" BIGINT, "user_agent" VARCHAR, "user_id" INT);
CREATE TABLE staging_songs (
    "song_id" VARCHAR, "title" VARCHAR, "duration" REAL, "year" INT, "num_songs" INT,
    "artist_id" VARCHAR, "artist_name" VARCHAR, "artist_location" VARCHAR(400),
    "artist_latitude" REAL, "artist_longitude" REAL);
CREATE TABLE users (
    "user_id" INT PRIMARY KEY, "first_name" VARCHAR, "last_name" VARCHAR, "gender" VARCHAR,
    "level" VARCHAR);
CREATE TABLE songs (
    "song_id" VARCHAR, "title" VARCHAR, "artist_id" VARCHAR, "year" INT, "duration" REAL);
CREATE TABLE artists ("artist_id" VARCHAR, "name" VARCHAR, "place" VARCHAR(400), "located" INT);
CREATE TABLE "time" ("start_time" TIMESTAMP, "hour" INT, "part_of_day" VARCHAR(10));
CREATE TABLE songplays (
    "songplay_id" INT IDENTITY(1, 1) NOT NULL PRIMARY KEY, "start_time" TIMESTAMP, "user_id" INT,
    "level" VARCHAR, "song_id" VARCHAR, "artist_id" VARCHAR, "session_id" INT);
CREATE VIEW known_plays AS SELECT start_time AS "timestamp", user_id AS "user" FROM songplays;

COPY "staging_events" FROM '{data}/log_data' IAM_ROLE '{role}' JSON '{data}/log_json_path.json';
COPY "staging_songs" FROM '{data}/song_data' IAM_ROLE '{role}' JSON 'auto';

INSERT INTO songplays (start_time, user_id, level, song_id, artist_id, session_id)
SELECT TIMESTAMP 'epoch' + e.ts / 1000 * INTERVAL '1 second' AS timestamp, e.user_id AS user, e.level,
       s.song_id, s.artist_id, e.session_id
FROM staging_events e INNER JOIN staging_songs s
    ON e.song = s.title AND e.artist = s.artist_name AND e.length = s.duration
WHERE e.page = 'NextSong';

INSERT INTO users
SELECT user_id AS user, MAX(first_name), MAX(last_name), LISTAGG(DISTINCT gender, '') AS table,
       DECODE(MIN(level), MAX(level), MIN(level), 'both') AS default
FROM staging_events WHERE page = 'NextSong' GROUP BY user_id;

INSERT INTO songs
SELECT DISTINCT song_id AS primary, title AS order, artist_id AS references, NVL(NULLIF(year, 0), -1), duration
FROM staging_songs;

INSERT INTO artists
SELECT DISTINCT artist_id, artist_name, NVL(NULLIF(artist_location, ''), 'nowhere'),
       NVL2(artist_latitude, 1, 0)
FROM staging_songs;

INSERT INTO "time"
SELECT DISTINCT TIMESTAMP 'epoch' + ts / 1000 * INTERVAL '1 second' AS timestamp,
       DATE_PART(hour, "timestamp") AS end,
       DECODE(DATE_PART('hour', "timestamp")::INT / 6, 0, 'night', 1, 'morning', 2, 'afternoon', 'evening')
FROM staging_events WHERE page = 'NextSong';

SELECT gender AS group, COUNT(*) AS all,
       LISTAGG(user_id, ' ') WITHIN GROUP (ORDER BY user_id DESC) AS user
FROM users GROUP BY gender ORDER BY gender;
