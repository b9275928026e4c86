CREATE SCHEMA public;
COMMENT ON SCHEMA public IS 'standard public schema';
CREATE TABLE public.pages (
    id integer NOT NULL,
    url character varying(1000),
    body text
);
ALTER TABLE ONLY public.pages
    ADD CONSTRAINT pages_pkey PRIMARY KEY (id);
CREATE INDEX by_body ON public.pages USING btree ("left"(body, 20));
