CREATE SCHEMA public;
COMMENT ON SCHEMA public IS 'standard public schema';
CREATE TABLE public."""quoted""" (
    id integer NOT NULL
);
CREATE TABLE public."'quoted'" (
    id integer NOT NULL
);
ALTER TABLE ONLY public."""quoted"""
    ADD CONSTRAINT """quoted""_pkey" PRIMARY KEY (id);
ALTER TABLE ONLY public."'quoted'"
    ADD CONSTRAINT "'quoted'_pkey" PRIMARY KEY (id);
