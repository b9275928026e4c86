-- MySQL alone escapes what its catalogue prints, and has these kinds of index.
CREATE TABLE words (
  id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(50), `back\slash` INT DEFAULT 1, hidden INT DEFAULT 1 INVISIBLE,
  quoted VARCHAR(90) AS (CONCAT(name, 'it''s "x" ', 'back\\slash', '\n', '日本é📷')) STORED, kind VARCHAR(9) AS (IF(name REGEXP '^é', 'ü', 'e')) STORED,
  CONSTRAINT umlaut CHECK (name <> 'ü' AND name <> 'é📷桜'), CONSTRAINT listed CHECK (name NOT IN ('it''s', 'a\nb', 'q"q', 'p\\q')), CONSTRAINT odd CHECK (`back\slash` > 0),
  CONSTRAINT asleep CHECK (`back\slash` > 1000) NOT ENFORCED, CONSTRAINT latin CHECK (name <> _latin1 0xDF),
  KEY by_text ((CONCAT(name, 'it''s', '\\', 'é'))), KEY newest (id DESC), UNIQUE KEY by_upper ((UPPER(name)), id)
);
INSERT INTO words (id, name) VALUES (1, 'é'), (2, NULL), (3, 'plain');
CREATE TABLE tagged (id INT PRIMARY KEY, tags JSON, KEY by_tag ((CAST(tags->'$[*]' AS UNSIGNED ARRAY))));
INSERT INTO tagged VALUES (1, '[1, 2]'), (2, NULL);
CREATE TABLE presets (
  id INT PRIMARY KEY, required VARCHAR(20) NOT NULL DEFAULT '📷?', one BINARY NOT NULL DEFAULT '\0', raw VARBINARY(5) DEFAULT 0x00FF, raw_made VARBINARY(5) DEFAULT (0x00FF),
  looks1 VARCHAR(20) DEFAULT 'b''1''', looks2 VARCHAR(20) DEFAULT 'CURRENT_TIMESTAMP', looks3 VARCHAR(20) NOT NULL DEFAULT '0x41', made VARCHAR(30) DEFAULT (CONCAT('é', 'it''s', '\n')),
  doc JSON DEFAULT (JSON_ARRAY()), body TEXT DEFAULT ('ü'), unique_ CHAR(36) DEFAULT (UUID()), day DATE DEFAULT (CURRENT_DATE), day_after DATE DEFAULT (CURRENT_DATE + INTERVAL 1 DAY), below INT DEFAULT (-5),
  stamp TIMESTAMP(3) DEFAULT NOW(3) ON UPDATE NOW(3), place POINT SRID 4326
);
INSERT INTO presets (id) VALUES (1);
CREATE VIEW totals AS SELECT kind, IFNULL(kind, 'all') AS label, COUNT(*) AS n, SUM(id) / 3 * 3 AS s FROM words GROUP BY kind WITH ROLLUP;
