-- Version 0.3.0: its tables, a view on them, and what a load left. A semicolon ends each statement.
CREATE TABLE IF NOT EXISTS etl_lock (
    loads BIGINT NOT NULL
)
DISTSTYLE ALL;

CREATE TABLE loaded_files (
    url       VARCHAR(2048) NOT NULL,
    etag      VARCHAR(128)  NOT NULL,
    bytes     BIGINT        NOT NULL,
    loaded_at TIMESTAMP     NOT NULL DEFAULT SYSDATE
)
DISTKEY (url)
SORTKEY (loaded_at);

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
DISTKEY (userid)
SORTKEY (loaded_at);

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
DISTKEY (song_id)
SORTKEY (loaded_at);

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
DISTSTYLE ALL
SORTKEY (title, artist_name);

CREATE TABLE users (
    user_id    BIGINT       NOT NULL,
    first_name VARCHAR(256),
    last_name  VARCHAR(256),
    gender     VARCHAR(16),
    level      VARCHAR(16)  NOT NULL,
    PRIMARY KEY (user_id)
)
DISTSTYLE ALL
SORTKEY (user_id);

CREATE TABLE artists (
    artist_id VARCHAR(64)   NOT NULL,
    name      VARCHAR(1024) NOT NULL,
    location  VARCHAR(2048),
    latitude  NUMERIC(9, 5),
    longitude NUMERIC(9, 5),
    PRIMARY KEY (artist_id)
)
DISTSTYLE ALL
SORTKEY (artist_id);

CREATE TABLE songs (
    song_id   VARCHAR(64)    NOT NULL,
    title     VARCHAR(1024)  NOT NULL,
    artist_id VARCHAR(64)    NOT NULL,
    year      INTEGER,
    duration  NUMERIC(12, 5) NOT NULL,
    PRIMARY KEY (song_id),
    FOREIGN KEY (artist_id) REFERENCES artists (artist_id)
)
DISTSTYLE ALL
SORTKEY (song_id);

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
DISTKEY (start_time)
SORTKEY (start_time);

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
DISTKEY (start_time)
SORTKEY (start_time);

CREATE OR REPLACE VIEW top_songs (
    song_title,
    artist_name,
    plays,
    catalogue_plays,
    listeners,
    song_id,
    artist_id
)
AS
SELECT
    titles.song_title, titles.artist_name, titles.plays, titles.catalogue_plays, titles.listeners,
    titles.song_id, songs.artist_id
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
LEFT JOIN songs ON songs.song_id = titles.song_id;

INSERT INTO etl_lock (loads) VALUES (1);

INSERT INTO loaded_files (url, etag, bytes) VALUES ('s3://sparkify/log_data/1.json', 'e', 7);

INSERT INTO staging_events (iteminsession, level, page, sessionid, ts, userid)
VALUES (1, 'free', 'NextSong', 1, 1541105830796, 7);

INSERT INTO staging_catalogue (song_id, title, artist_id, artist_name, duration)
VALUES ('SO1', 'The Song', 'AR1', 'The Band', 200.5);

INSERT INTO users (user_id, level) VALUES (7, 'free');

INSERT INTO songplays (songplay_id, start_time, user_id, level, session_id)
VALUES (MD5('7|1|1|1541105830796'), '2018-11-01 20:57:10.796', 7, 'free', 1);
