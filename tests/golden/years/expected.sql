CREATE SCHEMA public;
COMMENT ON SCHEMA public IS 'standard public schema';
CREATE TABLE public.vintages (
    y smallint NOT NULL,
    since smallint DEFAULT 2000,
    "none" smallint DEFAULT 0
);
ALTER TABLE ONLY public.vintages
    ADD CONSTRAINT vintages_pkey PRIMARY KEY (y);
