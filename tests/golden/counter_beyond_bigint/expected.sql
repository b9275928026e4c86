CREATE SCHEMA public;
COMMENT ON SCHEMA public IS 'standard public schema';
CREATE TABLE public.beyond (
    id numeric(20,0) NOT NULL
);
ALTER TABLE ONLY public.beyond
    ADD CONSTRAINT beyond_pkey PRIMARY KEY (id);
