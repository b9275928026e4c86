CREATE SCHEMA public;
COMMENT ON SCHEMA public IS 'standard public schema';
CREATE TABLE public.floating (
    id double precision NOT NULL,
    n integer
);
ALTER TABLE ONLY public.floating
    ADD CONSTRAINT floating_pkey PRIMARY KEY (id);
