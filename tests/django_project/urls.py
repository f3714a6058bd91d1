import views
from django.urls import path

urlpatterns = [path(f"{name}/", getattr(views, name)) for name in views.__all__]
