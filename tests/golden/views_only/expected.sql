CREATE SCHEMA public;
COMMENT ON SCHEMA public IS 'standard public schema';
CREATE VIEW public.constants AS
 SELECT 1 AS one,
    'a'::text AS letter;
