CREATE SCHEMA public;
COMMENT ON SCHEMA public IS 'standard public schema';
CREATE TABLE public.measures (
    id integer NOT NULL,
    f real,
    d double precision,
    rounded real,
    two double precision,
    positive real
);
ALTER TABLE ONLY public.measures
    ADD CONSTRAINT measures_pkey PRIMARY KEY (id);
