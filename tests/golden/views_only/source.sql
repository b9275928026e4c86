CREATE VIEW constants AS SELECT 1 AS one, 'a' AS letter;
