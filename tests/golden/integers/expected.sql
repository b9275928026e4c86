CREATE SCHEMA public;
COMMENT ON SCHEMA public IS 'standard public schema';
CREATE TABLE public.numbers (
    id integer NOT NULL,
    tiny smallint,
    tiny_u smallint,
    small smallint,
    small_u integer,
    medium integer,
    medium_u integer,
    whole integer,
    whole_u bigint,
    big bigint,
    big_u numeric(20,0),
    filled bigint,
    year_ smallint
);
ALTER TABLE ONLY public.numbers
    ADD CONSTRAINT numbers_pkey PRIMARY KEY (id);
