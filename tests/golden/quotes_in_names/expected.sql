CREATE SCHEMA public;
COMMENT ON SCHEMA public IS 'standard public schema';
CREATE TABLE public."table with ""quotes"" and 'more'" (
    "user" integer,
    "Ünïcödé 桜" integer
);
