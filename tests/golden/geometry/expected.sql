CREATE SCHEMA public;
COMMENT ON SCHEMA public IS 'standard public schema';
CREATE TABLE public.places (
    id integer NOT NULL,
    g bytea,
    p bytea NOT NULL,
    l bytea,
    a bytea,
    mp bytea,
    ml bytea,
    ma bytea,
    c bytea
);
ALTER TABLE ONLY public.places
    ADD CONSTRAINT places_pkey PRIMARY KEY (id);
