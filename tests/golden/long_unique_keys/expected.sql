CREATE SCHEMA public;
COMMENT ON SCHEMA public IS 'standard public schema';
CREATE TABLE public.pages (
    id integer NOT NULL,
    url text,
    body text,
    raw bytea
);
ALTER TABLE ONLY public.pages
    ADD CONSTRAINT pages_pkey PRIMARY KEY (id);
CREATE UNIQUE INDEX by_raw ON public.pages USING btree (raw);
CREATE UNIQUE INDEX by_url ON public.pages USING btree (url);
