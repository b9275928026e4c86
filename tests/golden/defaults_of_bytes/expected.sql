CREATE SCHEMA public;
COMMENT ON SCHEMA public IS 'standard public schema';
CREATE TABLE public.presets (
    id integer NOT NULL,
    raw bytea DEFAULT '\x00ff'::bytea,
    one bytea DEFAULT '\x00'::bytea NOT NULL,
    padded bytea DEFAULT '\x780000'::bytea,
    v character varying(5),
    b bigint DEFAULT 15
);
ALTER TABLE ONLY public.presets
    ADD CONSTRAINT presets_pkey PRIMARY KEY (id);
