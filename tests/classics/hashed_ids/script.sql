-- A play is known by a hash of two values, a number and a time; labels do without AS.
DROP TABLE IF EXISTS staging_events CASCADE;
DROP TABLE IF EXISTS staging_songs CASCADE;
DROP TABLE IF EXISTS songplays CASCADE;
DROP TABLE IF EXISTS users CASCADE;
DROP TABLE IF EXISTS songs CASCADE;
DROP TABLE IF EXISTS artists CASCADE;
DROP TABLE IF EXISTS "time" CASCADE;

CREATE TABLE staging_events (
    artist varchar(256), auth varchar(256), firstname varchar(256), gender varchar(256),
    iteminsession int4, lastname varchar(256), length numeric(18,5), "level" varchar(256),
    location varchar(256), "method" varchar(256), page varchar(256), registration numeric(18,0),
    sessionid int4, song varchar(256), status int4, ts int8, useragent varchar(256), userid int4);
CREATE TABLE staging_songs (
    num_songs int4, artist_id varchar(256), artist_name varchar(512), artist_latitude numeric(18,5),
    artist_longitude numeric(18,5), artist_location varchar(512), song_id varchar(256),
    title varchar(512), duration numeric(18,5), "year" int4);
CREATE TABLE songplays (
    songplay_id varchar(32) NOT NULL, start_time timestamp NOT NULL, user_id int4 NOT NULL,
    "level" varchar(256), song_id varchar(256), artist_id varchar(256), session_id int4,
    CONSTRAINT songplays_pkey PRIMARY KEY (songplay_id));
CREATE TABLE users (
    user_id int4 NOT NULL, first_name varchar(256), last_name varchar(256), gender varchar(256),
    "level" varchar(256), CONSTRAINT users_pkey PRIMARY KEY (user_id));
CREATE TABLE songs (
    song_id varchar(256) NOT NULL, title varchar(512), artist_id varchar(256), "year" int4);
CREATE TABLE artists (artist_id varchar(256) NOT NULL, place varchar(600));
CREATE TABLE "time" (
    start_time timestamp NOT NULL, "hour" int4, "day" int4, week int4, "month" varchar(7), "year" int4,
    weekday int4);

COPY staging_events FROM '{data}/log_data' IAM_ROLE '{role}' REGION 'us-west-2'
    FORMAT AS JSON '{data}/log_json_path.json' ROUNDEC;
COPY staging_songs FROM '{data}/song_data' IAM_ROLE '{role}' REGION 'us-west-2'
    FORMAT AS JSON 'auto' ROUNDEC;

INSERT INTO songplays
SELECT MD5(e.sessionid || e.start_time) songplay_id, e.start_time, e.userid user_id, e.level, s.song_id,
       s.artist_id, e.sessionid session_id
FROM (SELECT TIMESTAMP 'epoch' + ts / 1000 * INTERVAL '1 second' start_time, * FROM staging_events
      WHERE page = 'NextSong') e
LEFT JOIN staging_songs s ON e.song = s.title AND e.artist = s.artist_name AND e.length = s.duration;

INSERT INTO users
SELECT DISTINCT userid, firstname, lastname, gender, level FROM staging_events WHERE page = 'NextSong';

INSERT INTO songs SELECT DISTINCT song_id, title, artist_id, year FROM staging_songs;

INSERT INTO artists
SELECT DISTINCT artist_id, artist_location || ' ' || artist_latitude || ' ' || artist_longitude
FROM staging_songs WHERE artist_latitude IS NOT NULL AND artist_location IS NOT NULL;

INSERT INTO "time"
SELECT start_time, EXTRACT(hour FROM start_time) hour, EXTRACT(day FROM start_time) day,
       EXTRACT(week FROM start_time) week,
       DATE_PART(y, start_time)::INT || '-' || LPAD(EXTRACT(month FROM start_time), 2, '0') month,
       EXTRACT(year FROM start_time) year, EXTRACT(dayofweek FROM start_time) weekday
FROM (SELECT DISTINCT start_time FROM songplays);

SELECT DATE_PART(day, start_time)::INT day, COUNT(DISTINCT songplay_id) plays
FROM songplays GROUP BY 1 ORDER BY plays DESC, 1 LIMIT 5;
