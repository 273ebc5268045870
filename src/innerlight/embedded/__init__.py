"""The model that ships with the library, the judge that reads its pictures, and the recipe that made them."""
