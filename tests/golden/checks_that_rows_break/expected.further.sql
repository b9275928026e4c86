CREATE SCHEMA public;
COMMENT ON SCHEMA public IS 'standard public schema';
CREATE TABLE public.stock (
    id integer NOT NULL,
    n integer,
    size character varying(9),
    CONSTRAINT positive CHECK ((n > 0)),
    CONSTRAINT small CHECK ((n < 100))
);
ALTER TABLE public.stock
    ADD CONSTRAINT sized CHECK (((size)::text = ANY ((ARRAY['s'::character varying, 'm'::character varying])::text[]))) NOT VALID;
ALTER TABLE ONLY public.stock
    ADD CONSTRAINT stock_pkey PRIMARY KEY (id);
