-- COPY itself makes a time of ts; tables say after their columns where their rows lie.
DROP TABLE IF EXISTS staging_events;
DROP TABLE IF EXISTS staging_songs;
DROP TABLE IF EXISTS songplays;
DROP TABLE IF EXISTS users;
DROP TABLE IF EXISTS songs;
DROP TABLE IF EXISTS artists;
DROP TABLE IF EXISTS time;

CREATE TABLE staging_events (
    artist VARCHAR(255), auth VARCHAR(50), first_name VARCHAR(50), gender CHAR(1),
    item_in_session INT, last_name VARCHAR(50), length DECIMAL(10, 5), level VARCHAR(10),
    location VARCHAR(255), method VARCHAR(10), page VARCHAR(50), registration BIGINT, session_id INT,
    song VARCHAR(255), status INT, ts TIMESTAMP, user_agent VARCHAR(255), user_id INT) BACKUP NO;
CREATE TABLE staging_songs (
    song_id VARCHAR(18) NOT NULL, title VARCHAR(255), duration DECIMAL(10, 5), year INT,
    artist_id VARCHAR(18), artist_name VARCHAR(255), artist_location VARCHAR(1000),
    artist_latitude DECIMAL(10, 6), artist_longitude DECIMAL(10, 6), num_songs INT)
    BACKUP NO DISTSTYLE EVEN;
CREATE TABLE songplays (
    songplay_id INT IDENTITY(0,1) PRIMARY KEY, start_time TIMESTAMP NOT NULL, user_id INT,
    level VARCHAR(10), song_id VARCHAR(18), artist_id VARCHAR(18), session_id INT,
    location VARCHAR(255), user_agent VARCHAR(255))
    BACKUP YES DISTSTYLE KEY DISTKEY (song_id) COMPOUND SORTKEY (start_time, user_id);
CREATE TABLE users (
    user_id INT PRIMARY KEY, first_name VARCHAR(50), last_name VARCHAR(50), gender CHAR(1),
    level VARCHAR(10)) DISTSTYLE ALL SORTKEY (user_id);
CREATE TABLE songs (
    song_id VARCHAR(18) PRIMARY KEY, title VARCHAR(255), artist_id VARCHAR(18), year INT,
    duration DECIMAL(10, 5)) DISTKEY (song_id) SORTKEY (song_id);
CREATE TABLE artists (
    artist_id VARCHAR(18) PRIMARY KEY DISTKEY SORTKEY, name VARCHAR(255), location VARCHAR(1000),
    latitude DECIMAL(10, 6), longitude DECIMAL(10, 6));
CREATE TABLE time (
    start_time TIMESTAMP PRIMARY KEY SORTKEY, hour INT, day INT, week INT, month INT, year INT,
    weekday INT) BACKUP NO DISTSTYLE ALL;

COPY staging_events FROM '{data}/log_data' IAM_ROLE '{role}' REGION 'us-west-2'
    FORMAT AS JSON '{data}/log_json_path.json' TIMEFORMAT AS 'epochmillisecs'
    TRUNCATECOLUMNS BLANKSASNULL EMPTYASNULL ROUNDEC;
COPY staging_songs FROM '{data}/song_data' IAM_ROLE '{role}' REGION 'us-west-2' JSON 'auto'
    TRUNCATECOLUMNS ROUNDEC;

INSERT INTO songplays (start_time, user_id, level, song_id, artist_id, session_id, location, user_agent)
SELECT DISTINCT e.ts, e.user_id, e.level, s.song_id, s.artist_id, e.session_id, e.location, e.user_agent
FROM staging_events AS e
INNER JOIN staging_songs AS s ON (e.song = s.title AND e.artist = s.artist_name AND e.length = s.duration)
WHERE e.page = 'NextSong' AND e.ts LIKE '2018%';

INSERT INTO users
SELECT DISTINCT user_id, first_name, last_name, gender, level
FROM staging_events WHERE page = 'NextSong';

INSERT INTO songs SELECT DISTINCT song_id, title, artist_id, year, duration FROM staging_songs;

INSERT INTO artists
SELECT DISTINCT artist_id, artist_name, artist_location, artist_latitude, artist_longitude
FROM staging_songs;

INSERT INTO time
SELECT DISTINCT ts, EXTRACT(hour FROM ts), EXTRACT(day FROM ts), EXTRACT(week FROM ts),
       EXTRACT(month FROM ts), EXTRACT(year FROM ts), EXTRACT(dayofweek FROM ts)
FROM staging_events WHERE page = 'NextSong';

SELECT SUBSTRING(start_time, 1, 10) AS listened_on, COUNT(*) AS instants
FROM time GROUP BY listened_on ORDER BY listened_on LIMIT 5;
