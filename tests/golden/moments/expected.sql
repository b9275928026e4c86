CREATE SCHEMA public;
COMMENT ON SCHEMA public IS 'standard public schema';
CREATE TABLE public.moments (
    id integer NOT NULL,
    d date,
    dt timestamp(0) without time zone,
    dt3 timestamp(3) without time zone,
    dt6 timestamp(6) without time zone,
    ts timestamp(0) with time zone,
    ts3 timestamp(3) with time zone,
    ts6 timestamp(6) with time zone,
    made timestamp(0) with time zone DEFAULT CURRENT_TIMESTAMP NOT NULL
);
ALTER TABLE ONLY public.moments
    ADD CONSTRAINT moments_pkey PRIMARY KEY (id);
