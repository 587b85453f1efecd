"""The prediction page as a folder of its own; the page itself is in the package."""

from twin_matcher_dagster.pages.predict import main

if __name__ == "__main__":
    main()
