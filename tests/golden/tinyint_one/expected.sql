CREATE SCHEMA public;
COMMENT ON SCHEMA public IS 'standard public schema';
CREATE TABLE public.switches (
    id integer NOT NULL,
    truth boolean NOT NULL,
    number smallint,
    flag boolean DEFAULT true,
    level smallint DEFAULT 2
);
ALTER TABLE ONLY public.switches
    ADD CONSTRAINT switches_pkey PRIMARY KEY (id);
