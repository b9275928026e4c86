CREATE SCHEMA public;
COMMENT ON SCHEMA public IS 'standard public schema';
CREATE TABLE public.files (
    id bytea NOT NULL,
    v bytea DEFAULT '\x78'::bytea NOT NULL,
    b0 bytea,
    b bytea,
    b2 bytea,
    b3 bytea,
    one bytea DEFAULT '\x6f'::bytea NOT NULL,
    nothing bytea
);
ALTER TABLE ONLY public.files
    ADD CONSTRAINT files_pkey PRIMARY KEY (id);
