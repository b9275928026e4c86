CREATE SCHEMA public;
COMMENT ON SCHEMA public IS 'standard public schema';
CREATE TABLE public.bits (
    id integer NOT NULL,
    b1 boolean DEFAULT true,
    b boolean DEFAULT false NOT NULL,
    b8 bigint DEFAULT 5,
    b9 bigint,
    b33 bigint,
    b63 bigint,
    b64 numeric(20,0) DEFAULT '18446744073709551615'::numeric
);
ALTER TABLE ONLY public.bits
    ADD CONSTRAINT bits_pkey PRIMARY KEY (id);
