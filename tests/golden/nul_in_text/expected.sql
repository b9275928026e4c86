CREATE SCHEMA public;
COMMENT ON SCHEMA public IS 'standard public schema';
CREATE TABLE public.loose (
    v character varying(20),
    n integer
);
CREATE TABLE public.scraps (
    id integer NOT NULL,
    v character varying(20),
    t text NOT NULL,
    c character varying(5),
    raw bytea
);
ALTER TABLE ONLY public.scraps
    ADD CONSTRAINT scraps_pkey PRIMARY KEY (id);
