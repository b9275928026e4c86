-- MariaDB indexes an expression by way of a generated column, MySQL knows both.
CREATE TABLE people (id INT PRIMARY KEY, name VARCHAR(20), lower_name VARCHAR(20) AS (LOWER(name)) VIRTUAL, n INT, KEY by_lower (lower_name)
  /*!80013 , KEY by_expression ((UPPER(name))), KEY by_sum ((n + 1)) */);
INSERT INTO people (id, name, n) VALUES (1, 'Ana', 1), (2, NULL, NULL);
