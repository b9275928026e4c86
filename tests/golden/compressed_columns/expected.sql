CREATE SCHEMA public;
COMMENT ON SCHEMA public IS 'standard public schema';
CREATE TABLE public.packed (
    id integer NOT NULL,
    t text,
    b bytea,
    v character varying(500) DEFAULT 'x'::character varying
);
ALTER TABLE ONLY public.packed
    ADD CONSTRAINT packed_pkey PRIMARY KEY (id);
